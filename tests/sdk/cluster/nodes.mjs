// Nodes over one Redis, for one test.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

import { freePort, start } from '../js/node.mjs';
import { until } from '../js/wait.mjs';

const CONFIG = fileURLToPath(new URL('config.toml', import.meta.url));

/** A Redis that keeps nothing on disk; where it is. */
async function startRedis(t) {
  const port = await freePort();
  const args = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--dir', tmpdir()];
  const child = spawn('redis-server', args.map(String), { stdio: 'ignore' });
  const last = () => child.kill('SIGKILL');
  process.on('exit', last);
  t.after(async () => {
    last();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    process.off('exit', last);
  });
  const answers = () => new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => { socket.destroy(); resolve(true); });
    socket.on('error', reject);
  });
  await until(answers, 'a Redis');
  return `127.0.0.1:${port}`;
}

/** So many nodes, which end with the test. */
export async function startNodes(t, count) {
  const redis = await startRedis(t);
  const named = (at) => ({ RINGPOST_NAME: `node-${at}`, RINGPOST_CLUSTER__REDIS__ADDRESSES: JSON.stringify([redis]) });
  return Promise.all([...Array(count).keys()].map((at) => start(t, { config: CONFIG, env: named(at) })));
}
