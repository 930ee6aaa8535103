// A server and the clients of one conversation with it: what was said and heard, made the same for every server.
import WebSocket from 'ws';

import { until } from '../js/wait.mjs';

export const API_KEY = 'sdk-key';

/** Commands of the conversation itself have smaller ids. */
const FENCE = 1_000_000;

/** One connection of a client that speaks JSON over WebSocket. */
class Peer {
  constructor(world, name, socket) {
    Object.assign(this, { world, name, socket, heard: [], fences: FENCE, told: false });
    this.ended = null;
    socket.on('message', (data) => {
      for (const line of String(data).split('\n').filter((line) => line !== '' && line !== '{}')) this.heard.push(JSON.parse(line));
    });
    socket.on('close', (code, reason) => { this.ended = { code, reason: String(reason) }; });
    socket.on('error', () => {});
  }

  get isConnected() {
    return this.client !== undefined && !this.ended;
  }

  /** Sends a frame and waits until it has had its effect: it is answered, if it has an id, and so is what came later. */
  async send(frame) {
    const text = typeof frame === 'string' ? frame : JSON.stringify(frame);
    this.socket.send(text);
    const id = typeof frame === 'string' ? undefined : frame.id;
    if (id) await until(() => this.ended || this.heard.some((reply) => reply.id === id), `${this.name}: the answer to ${text}`);
    const reply = this.heard.find((reply) => reply.id === id);
    if (reply?.connect) this.client = reply.connect.client;
    await this.world.settle();
    const heard = this.take();
    this.world.note(`${this.name} ${text}`, heard);
    return reply ?? heard;
  }

  /** What came since the last look: replies in the order of their ids, then pushes as they came. */
  take() {
    const all = this.heard.splice(0).filter((reply) => !(reply.id >= FENCE));
    const replies = all.filter((reply) => reply.id).sort((one, other) => one.id - other.id);
    const ended = this.ended && !this.told ? [{ closed: this.ended }] : [];
    this.told ||= ended.length > 0;
    return [...replies, ...all.filter((reply) => !reply.id), ...ended];
  }

  /** Looks at what came by itself. */
  async hears() {
    await this.world.settle();
    const heard = this.take();
    this.world.note(`${this.name} hears`, heard);
    return heard;
  }

  /** Waits for the end. */
  async end() {
    await until(() => this.ended, `the end of ${this.name}`);
    const heard = this.take();
    this.world.note(`${this.name} ends`, heard);
    return heard;
  }

  /** Leaves. */
  async leave() {
    this.socket.close();
    await until(() => this.ended, `the close of ${this.name}`);
    await this.world.settle();
  }

  /** Two round trips: what one caused is on its way before the other is answered. It leaves a channel that it is not in. */
  async fence() {
    for (let round = 0; round < 2; round += 1) {
      if (!this.isConnected) return;
      this.fences += 1;
      const id = this.fences;
      this.socket.send(JSON.stringify({ id, unsubscribe: { channel: 'plain:fence' } }));
      await until(() => this.ended || this.heard.some((reply) => reply.id === id), `the fence of ${this.name}`);
    }
  }
}

/** One conversation with one server. */
export class World {
  constructor({ websocket, api }) {
    Object.assign(this, { websocket, apiUrl: api, peers: [], transcript: [], names: new Map() });
  }

  /** A new connection. */
  async open(name) {
    const socket = new WebSocket(this.websocket, 'centrifuge-json');
    const peer = new Peer(this, name, socket);
    this.peers.push(peer);
    await until(() => socket.readyState === WebSocket.OPEN, `the connection of ${name}`);
    return peer;
  }

  /** A connection with a connect command. */
  async client(name, connect = {}) {
    const peer = await this.open(name);
    await peer.send({ id: 1, connect });
    return peer;
  }

  /** Calls the API; `body` is sent as it is where it is text. Gives the answer's JSON. */
  async api(method, body, { query = '', headers = { 'X-API-Key': API_KEY } } = {}) {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    const path = method === '' ? '' : `/${method}`;
    const answer = await fetch(`${this.apiUrl}${path}${query}`, { method: 'POST', headers, body: text });
    const said = await answer.text();
    let lines;
    try {
      lines = said.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line));
    } catch {
      lines = ['text'];
    }
    await this.settle();
    this.note(`api ${path}${query} ${text}`, [{ status: answer.status }, ...lines]);
    return lines[0];
  }

  /** Waits until nothing is on its way. */
  async settle() {
    for (const peer of this.peers) await peer.fence();
  }

  note(said, heard) {
    this.transcript.push({ said: this.plain(said), heard: this.plain(heard) });
  }

  /** The same with names for what a server makes up, and without what no client counts on. */
  plain(value, key = '') {
    if (typeof value === 'string') {
      if (key === 'epoch' && value !== '') return this.named('epoch', value);
      if (key === 'client' && value !== '') return this.named('client', value);
      return this.replaced(value);
    }
    if (Array.isArray(value)) return value.map((one) => this.plain(one));
    if (value === null || typeof value !== 'object') return key === 'ttl' ? '<ttl>' : value;
    const left = Object.entries(value).filter(([name]) => !OWN.has(name));
    return Object.fromEntries(left.map(([name, one]) => [this.replaced(name), this.plain(one, name)]).sort(byName));
  }

  named(kind, value) {
    if (!this.names.has(value)) {
      const number = [...this.names.values()].filter((name) => name.startsWith(`<${kind}`)).length + 1;
      this.names.set(value, `<${kind} ${number}>`);
    }
    return this.names.get(value);
  }

  replaced(text) {
    let plain = text.replace(/eyJ[\w-]+\.[\w-]+\.[\w-]*/g, '<token>');
    for (const [value, name] of this.names) plain = plain.replaceAll(value, name);
    return plain;
  }

  /** Everybody leaves, and the server has noticed. */
  async close() {
    for (const { socket } of this.peers) socket.terminate();
    const [headers, method] = [{ 'X-API-Key': API_KEY }, 'POST'];
    await until(async () => {
      const { result } = await (await fetch(`${this.apiUrl}/info`, { method, headers, body: '{}' })).json();
      return result.nodes[0].num_clients === 0;
    }, 'the server without clients');
  }
}

/** What each server has its own of: no client counts on it. `time` the node tells always, the others where they are told to. */
const OWN = new Set(['version', 'node', 'ping', 'pong', 'session', 'time', 'message', 'uid', 'process', 'metrics', 'uptime']);

const byName = ([one], [other]) => (one < other ? -1 : Number(one > other));
