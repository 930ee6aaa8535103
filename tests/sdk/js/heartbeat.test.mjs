// The node's pings: SDKs stay content, the silent are dropped.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import WebSocket from 'ws';

import { BUILDS, connect } from './clients.mjs';
import { start } from './node.mjs';
import { connectionToken } from './tokens.mjs';
import { until } from './wait.mjs';

const FAST = {
  RINGPOST_CLIENT__PING_INTERVAL: '1s',
  RINGPOST_CLIENT__PONG_TIMEOUT: '500ms',
};

test('SDKs answer pings and stay; who answers none is dropped with 3012 after three', async (t) => {
  const node = await start(t, { env: FAST });
  const clients = await Promise.all(BUILDS.map((build) => connect(t, build, { node })));
  const ended = clients.flatMap((client) => [client.events('connecting'), client.events('disconnected')]);
  const mute = new WebSocket(node.websocket);
  t.after(() => mute.terminate());
  let pings = 0;
  let code;
  mute.on('open', () => mute.send(JSON.stringify({ id: 1, connect: { token: connectionToken('mute') } })));
  mute.on('message', (data) => { pings += String(data) === '{}' ? 1 : 0; });
  mute.on('close', (closed) => { code = closed; });
  await until(() => code, 'the end of the mute connection');
  assert.equal(code, 3012);
  assert.equal(pings, 3);
  assert.deepEqual(ended.flatMap(({ all }) => all), []);
  await until(async () => await node.metric('ringpost_sessions') === 2, 'the other two alone');
});
