// A disk that is full, and folders that a node must not use.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { BUILDS, connect, subscribe } from '../js/clients.mjs';
import { folder, history, startOn } from './trial.mjs';

const [JSON_BUILD] = BUILDS;

test('a full disk refuses what it cannot keep with 100, and what is in memory goes on', { timeout: 120_000 }, async (t) => {
  const path = folder(t, (mounted) => spawnSync('umount', ['--lazy', mounted]));
  // Room for some segments.
  const mount = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', path]);
  if (mount.status !== 0) return t.skip('a small file system can be mounted by root only');
  const env = { RINGPOST_STORE__SEGMENT_SIZE: String(4 << 20), RINGPOST_SHARDS__CORES: '0' };
  const node = await startOn(t, path, { env });
  const client = await connect(t, JSON_BUILD, { node });
  const subscription = await subscribe(client, 'disk:full');
  const text = 'x'.repeat(8000);
  const acknowledged = [];
  let refusal = null;
  while (!refusal && acknowledged.length < 10_000) {
    const id = `m-${acknowledged.length}`;
    await subscription.publish({ id, text }).then(() => acknowledged.push(id), (error) => { refusal = error; });
  }
  assert.equal(refusal?.code, 100, refusal?.message);
  assert.ok(acknowledged.length > 100, `only ${acknowledged.length} had room`);
  const beside = await subscribe(client, 'memory:beside');
  await beside.publish({ id: 'still here' });
  await beside.heard.publication.at(0);
  const kept = async (running) => (await history(running, 'disk:full')).kept.map(([, id]) => id);
  assert.deepEqual(await kept(node), acknowledged, 'what was refused is not there');

  await node.kill();
  execFileSync('mount', ['-o', 'remount,size=128m', path]);
  const again = await startOn(t, path, { env });
  assert.deepEqual((await kept(again)).slice(0, acknowledged.length), acknowledged);
});

test('a folder in which a node works is refused to a second one', async (t) => {
  const path = folder(t);
  await startOn(t, path);
  await assert.rejects(startOn(t, path), /a node uses this directory/);
});

test('the folder of another node is refused', async (t) => {
  const path = folder(t);
  const node = await startOn(t, path);
  await node.kill();
  await assert.rejects(startOn(t, path, { env: { RINGPOST_NAME: 'somebody-else' } }), /the store is of the node "sdk"/);
});

test('a folder that a newer version has written is refused', async (t) => {
  const path = folder(t);
  const node = await startOn(t, path);
  await node.kill();
  const file = join(path, 'identity.json');
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), version: 999 }));
  await assert.rejects(startOn(t, path), /of a newer ringpost/);
});
