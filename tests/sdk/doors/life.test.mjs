// A node's own life: SIGTERM drains it, SIGHUP reads its configuration again.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { BUILDS, connect, subscribe, channel } from '../js/clients.mjs';
import { start } from '../js/node.mjs';
import { until } from '../js/wait.mjs';
import { Lines } from './raw.mjs';

test('at SIGTERM clients are told 3001 and go on at another node, and the node ends in order', async (t) => {
  const env = { RINGPOST_SHUTDOWN__DRAIN_TIME: '1s', RINGPOST_SHUTDOWN__TIMEOUT: '10s' };
  const [old, next] = [await start(t, { env }), await start(t)];
  let node = old;
  const clients = [];
  for (let n = 0; n < 20; n += 1) {
    const client = await connect(t, BUILDS[n % 2], { node: old, redirect: () => node.websocket });
    clients.push({ client, connecting: client.events('connecting'), subscription: await subscribe(client, channel()) });
  }
  const line = new Lines(t, old);
  await line.call('connect');
  const silent = new Lines(t, old); // never says a word
  await until(async () => await old.metric('ringpost_conns') >= 22, 'the silent one accepted');

  node = next;
  old.signal('SIGTERM');
  for (const { client, connecting, subscription } of clients) {
    assert.deepEqual(await connecting.at(0), { code: 3001, reason: 'shutdown' });
    await client.ready();
    await subscription.heard.subscribed.at(1);
  }
  assert.equal((await line.push('disconnect')).disconnect.code, 3001);
  await Promise.all([line.end(), silent.end()]);
  assert.equal(await old.ended(), 0);
  // The shards report their sizes ten times a second.
  await until(async () => await next.metric('ringpost_sessions') === 20, 'all 20 at the other node');
});

test('while it drains, a node is not ready and takes no new connections', async (t) => {
  const node = await start(t, { env: { RINGPOST_SHUTDOWN__DRAIN_TIME: '3s' } });
  await connect(t, BUILDS[0], { node, maxReconnectDelay: 20 });
  node.signal('SIGTERM');
  const refused = async () => {
    try { return (await fetch(`${node.origin}/health`)).status === 503; } catch { return true; }
  };
  await until(refused, '503 or a closed port');
  await until(async () => {
    const raw = new Lines(t, node);
    await Promise.race([raw.end(), new Promise((done) => { raw.socket.on('connect', done); })]);
    return raw.closed && raw.bytes.length === 0;
  }, 'a refused connection');
  assert.equal(await node.ended(), 0);
});

test('SIGHUP takes new options on, and keeps the old ones when the new are wrong', async (t) => {
  const config = join(await mkdtemp(join(tmpdir(), 'ringpost-')), 'config.toml');
  const text = await readFile(new URL('../config.toml', import.meta.url), 'utf8');
  const locked = '[[channel.namespaces]]\nname = "locked"\n';
  await writeFile(config, text);
  const node = await start(t, { config });
  const client = await connect(t, BUILDS[0], { node });
  const room = channel('locked');
  await assert.rejects(client.publish(room, 1), { code: 103 });

  await writeFile(config, text.replace(locked, `${locked}allow_publish_for_client = true\n`));
  node.signal('SIGHUP');
  await until(() => client.publish(room, 1).then(() => true), 'the right to publish');

  await writeFile(config, text.replace(locked, `${locked}alow_publish_for_client = true\n`));
  node.signal('SIGHUP');
  await until(() => node.log.includes('alow_publish_for_client'), 'a word about the wrong key');
  await client.publish(room, 2);
});
