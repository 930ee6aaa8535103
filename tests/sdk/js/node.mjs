// The node under test: the one that `run` started for all, or one that a test starts for itself.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

import { until } from './wait.mjs';

export const API_KEY = 'sdk-key';
export const CONFIG = fileURLToPath(new URL('../config.toml', import.meta.url));

export class Node {
  constructor(httpPort, tcpPort, process = null) {
    this.httpPort = Number(httpPort);
    this.tcpPort = Number(tcpPort);
    this.process = process;
    this.origin = `http://127.0.0.1:${httpPort}`;
    this.websocket = `ws://127.0.0.1:${httpPort}/connection/websocket`;
  }

  /** Calls the API; gives the result, throws the error. */
  async api(method, params = {}) {
    const headers = { 'X-API-Key': API_KEY };
    const answer = await fetch(`${this.origin}/api/${method}`, { method: 'POST', headers, body: JSON.stringify(params) });
    if (!answer.ok) throw new Error(`${method}: HTTP ${answer.status}: ${await answer.text()}`);
    const { error, result } = await answer.json();
    if (error) throw Object.assign(new Error(`${method}: ${error.message}`), { code: error.code });
    return result;
  }

  /** A metric, all shards together; `labels` picks, such as `{ code: '3008' }`. What never came is 0. */
  async metric(name, labels = {}) {
    const text = await (await fetch(`${this.origin}/metrics`)).text();
    const wanted = Object.entries(labels).map(([key, value]) => `${key}="${value}"`);
    let [sum, known] = [0, false];
    for (const line of text.split('\n')) {
      const [, found, labelled, value] = /^(\w+)(?:\{(.*)\})? ([^ ]+)/.exec(line) ?? [];
      known ||= found === name;
      if (found === name && wanted.every((label) => labelled?.includes(label))) sum += Number(value);
    }
    if (!known && !text.includes(`# TYPE ${name} `)) throw new Error(`there is no metric ${name}`);
    return sum;
  }

  signal(name) {
    this.process.kill(name);
  }

  /** Its exit code, once it has ended. */
  async ended() {
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, 'exit');
    return this.process.exitCode;
  }

  /** Ends it at once, if it has not ended. */
  async kill() {
    this.process.kill('SIGKILL');
    await this.ended();
  }
}

/** The node that all tests share. Only tests that leave it as it was may use it. */
export const shared = new Node(process.env.SDK_TEST_HTTP_PORT, process.env.SDK_TEST_TCP_PORT);

// Below the ports that the kernel gives to who asks for any and to who connects: one of those may be another's before it is used.
// Other processes begin elsewhere.
let nextPort = process.pid * 7919;

/** A port that nobody has now, and that this process gives to nobody else. */
export async function freePort() {
  for (let tries = 0; tries < 1000; tries += 1) {
    const port = 10_000 + (nextPort % 10_000);
    nextPort += 1;
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(() => true, () => false);
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
  throw new Error('no port is free');
}

/**
 * Starts a node for one test, which must end it.
 *
 * `options`: `config`, a file instead of the shared one; `dev`, to start in development mode without a file;
 * `ports` to take again; any key of the configuration by its environment variable in `env`.
 */
export async function start(t, { config = CONFIG, dev = false, ports, env = {} } = {}) {
  const [http, tcp] = ports ?? [await freePort(), await freePort()];
  const args = dev ? ['serve', '--dev'] : ['serve', '--config', config];
  const child = spawn(process.env.SDK_TEST_BIN, args, {
    env: { ...process.env, RINGPOST_HTTP_SERVER__PORT: http, RINGPOST_TCP_SERVER__PORT: tcp, RINGPOST_SHARDS__CORES: '0,1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const node = new Node(http, tcp, child);
  node.log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { node.log += data; });
  const last = () => child.kill('SIGKILL');
  process.on('exit', last);
  t.after(async () => {
    await node.kill();
    process.off('exit', last);
  });
  const isSettled = async () => child.exitCode !== null || (await fetch(`${node.origin}/health`)).ok;
  await until(isSettled, 'a healthy node').catch((error) => { throw new Error(`${error.message}\n${node.log}`); });
  if (child.exitCode !== null) throw new Error(`the node ended with ${child.exitCode}\n${node.log}`);
  return node;
}
