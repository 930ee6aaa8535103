// The same steps to the node, to a server by the Go library that Centrifugo is made of, and, recorded, to Centrifugo
// itself: replies are compared field by field. `node reference/record.mjs PATH/TO/centrifugo` records anew.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { freePort, start } from '../js/node.mjs';
import { SECRET } from '../js/tokens.mjs';
import { until } from '../js/wait.mjs';
import { calls } from './backend.mjs';
import { conversations, rules } from './client.mjs';
import { compare } from './compare.mjs';
import { differences } from './differences.mjs';
import { World } from './world.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** What each conversation brings on a server. */
async function hold(server, all) {
  const said = {};
  for (const [name, conversation] of Object.entries(all)) {
    const world = new World(server);
    await conversation(world).catch((error) => { throw new Error(`${name}: ${error.message}`, { cause: error }); });
    await world.close();
    said[name] = world.transcript;
  }
  return said;
}

async function node(t) {
  const started = await start(t, { config: here('config.toml'), env: { RINGPOST_SHARDS__CORES: '0' } });
  return { websocket: started.websocket, api: `${started.origin}/api` };
}

async function library(t) {
  const program = join(here('../../../target'), 'sdk-reference');
  execFileSync('go', ['build', '-mod=readonly', '-o', program, '.'], { cwd: here('library'), env: { ...process.env, GOTOOLCHAIN: 'local' }, stdio: 'inherit' });
  const port = await freePort();
  const child = spawn(program, ['-port', port, '-secret', SECRET], { stdio: ['ignore', 'ignore', 'inherit'] });
  t.after(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  await until(async () => (await fetch(`http://127.0.0.1:${port}/health`)).ok, 'the server by the library');
  return { websocket: `ws://127.0.0.1:${port}/connection/websocket`, api: `http://127.0.0.1:${port}/api` };
}

/** Fails where something differs that is not listed, or does not differ that is. */
function check(ours, theirs, known) {
  const met = new Set();
  const unknown = Object.entries(ours).flatMap(([name, steps]) => compare(name, steps, theirs[name], known, met).map((one) => `${name}\n${one}`));
  assert.deepEqual(unknown, [], `what differs and is not in differences.mjs:\n${unknown.join('\n')}`);
  const gone = known.filter((one) => one.in in ours && !met.has(one));
  assert.deepEqual(gone, [], 'what is in differences.mjs and does not differ');
}

test('clients and backends hear what Centrifugo says, but for the differences that are listed', { timeout: 300_000 }, async (t) => {
  const recorded = JSON.parse(readFileSync(here('centrifugo.recorded.json')));
  check(await hold(await node(t), { ...conversations, ...rules, ...calls }), recorded, differences);
});

test('clients hear what a server by the Go library says, but for the differences that are listed', { timeout: 600_000 }, async (t) => {
  const theirs = await hold(await library(t), conversations);
  check(await hold(await node(t), conversations), theirs, differences);
});
