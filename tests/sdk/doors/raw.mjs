// Clients without an SDK: bytes on a socket.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';

import { shared } from '../js/node.mjs';
import { until } from '../js/wait.mjs';

/** A socket and all that came through it. */
export class Raw {
  constructor(t, port, host = '127.0.0.1') {
    this.bytes = Buffer.alloc(0);
    this.closed = false;
    this.socket = connect(port, host);
    this.socket.setNoDelay(true);
    this.socket.on('data', (data) => { this.bytes = Buffer.concat([this.bytes, data]); });
    this.socket.on('close', () => { this.closed = true; });
    this.socket.on('error', () => {});
    t.after(() => this.socket.destroy());
  }

  send(data) {
    this.socket.write(data);
  }

  end() {
    return until(() => this.closed, `the end of a connection that has said ${this.bytes.subarray(0, 500)}`);
  }

  text() {
    return this.bytes.toString();
  }
}

/** The TCP door in JSON: a command a line, a reply or push a line. */
export class Lines extends Raw {
  constructor(t, node = shared) {
    super(t, node.tcpPort);
    this.id = 0;
  }

  get lines() {
    return this.text().split('\n').slice(0, -1).map((line) => JSON.parse(line));
  }

  /** Sends a command; gives the whole reply. */
  call(verb, body = {}) {
    const id = ++this.id;
    this.send(`${JSON.stringify({ id, [verb]: body })}\n`);
    return until(() => this.lines.find((line) => line.id === id), `the reply to ${verb}`);
  }

  push(kind) {
    return until(() => this.lines.find(({ push }) => push?.[kind])?.push, `a push ${kind}`);
  }
}

/** A masked WebSocket frame. `first` is its first byte: 0x81 is a whole text message. */
export function frame(first, payload, { masked = true, length = payload.length } = {}) {
  const body = Buffer.from(payload);
  const mask = randomBytes(4);
  const head = [first];
  const bit = masked ? 0x80 : 0;
  if (length < 126) head.push(bit | length);
  else if (length < 65_536) head.push(bit | 126, length >> 8, length & 255);
  else head.push(bit | 127, 0, 0, 0, 0, ...[24, 16, 8, 0].map((shift) => (length >> shift) & 255));
  if (!masked) return Buffer.concat([Buffer.from(head), body]);
  return Buffer.concat([Buffer.from(head), mask, body.map((byte, at) => byte ^ mask[at % 4])]);
}

/** The WebSocket door, frame by frame. */
export class Frames extends Raw {
  static async open(t, { node = shared, protocol, query = '', headers = {} } = {}) {
    const raw = new Frames(t, node.httpPort);
    raw.send(upgrade({ path: `/connection/websocket${query}`, headers: { ...(protocol && { 'Sec-WebSocket-Protocol': protocol }), ...headers } }));
    const end = await until(() => raw.bytes.indexOf('\r\n\r\n') + 1, 'the answer to an upgrade');
    raw.head = raw.bytes.subarray(0, end - 1).toString();
    raw.bytes = raw.bytes.subarray(end + 3);
    return raw;
  }

  /** The frames that came: `[first byte, payload]`. */
  get frames() {
    const frames = [];
    for (let at = 0; at + 2 <= this.bytes.length;) {
      let [length, begin] = [this.bytes[at + 1], at + 2];
      if (length === 126) [length, begin] = [this.bytes.readUInt16BE(at + 2), at + 4];
      else if (length === 127) [length, begin] = [Number(this.bytes.readBigUInt64BE(at + 2)), at + 10];
      frames.push([this.bytes[at], this.bytes.subarray(begin, begin + length)]);
      at = begin + length;
    }
    return frames;
  }

  json(value) {
    this.send(frame(0x81, JSON.stringify(value)));
  }

  /** A frame with this first byte. */
  heard(first) {
    return until(() => this.frames.find(([byte]) => byte === first), `a frame ${first.toString(16)}`);
  }

  /** The code and reason with which the node closes. */
  async closing() {
    const [, payload] = await this.heard(0x88);
    return [payload.readUInt16BE(0), payload.subarray(2).toString()];
  }
}

export function upgrade({ path = '/connection/websocket', headers = {} } = {}) {
  const all = {
    Host: 'localhost', Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': randomBytes(16).toString('base64'), ...headers,
  };
  const lines = Object.entries(all).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** Sends an HTTP request as it stands and gives the status line's code and all that was answered. */
export async function http(t, request, node = shared) {
  const raw = new Raw(t, node.httpPort);
  await once(raw.socket, 'connect');
  raw.send(request);
  await until(() => raw.text().includes('\r\n\r\n'), `an answer to ${request.slice(0, 80)}`);
  return { status: Number(raw.text().split(' ')[1]), raw };
}
