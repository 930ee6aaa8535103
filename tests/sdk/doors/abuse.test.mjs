// Clients that misbehave cost themselves, nobody else, and leave nothing behind.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';

import { BUILDS, channel, connect as connectClient, subscribe } from '../js/clients.mjs';
import { shared, start } from '../js/node.mjs';
import { connectionToken } from '../js/tokens.mjs';
import { until } from '../js/wait.mjs';
import { Frames, Lines, upgrade } from './raw.mjs';

test('a reader that stops is closed with 3008, the others miss nothing', async (t) => {
  const room = channel('asked');
  const before = await shared.metric('ringpost_closes_total', { code: '3008' });
  const slow = new Lines(t);
  await slow.call('connect', { token: connectionToken('slow') });
  await slow.call('subscribe', { channel: room });
  slow.socket.pause();
  const good = await subscribe(await connectClient(t, BUILDS[0]), room);
  const text = 'x'.repeat(50_000);
  let sent = 0;
  while (await shared.metric('ringpost_closes_total', { code: '3008' }) === before) {
    assert.ok(sent < 1000, 'a reader that stopped is still there after 50 MB');
    for (let n = 0; n < 10; n += 1) await shared.api('publish', { channel: room, data: { n: ++sent, text } });
  }
  await good.heard.publication.at(sent - 1);
  assert.deepEqual(good.heard.publication.all.map(({ data }) => data.n), Array.from({ length: sent }, (_, n) => n + 1));
  slow.socket.resume();
  await slow.end();
});

test('in a conflating channel a reader that stops keeps its connection and gets the latest', async (t) => {
  const room = channel('latest');
  const slow = new Lines(t);
  await slow.call('connect', { token: connectionToken('slow') });
  await slow.call('subscribe', { channel: room });
  slow.socket.pause();
  const text = 'x'.repeat(50_000);
  const total = 300;
  for (let n = 1; n <= total; n += 1) await shared.api('publish', { channel: room, data: { n, text } });
  slow.socket.resume();
  await until(() => slow.lines.at(-1)?.push?.pub?.data.n === total, 'the latest publication');
  const seen = slow.lines.filter(({ push }) => push?.pub).map(({ push }) => push.pub.data.n);
  assert.ok(seen.length < total, `${seen.length} of ${total} came: nothing was conflated`);
  assert.deepEqual(seen, [...seen].sort((a, b) => a - b));
  assert.deepEqual((await slow.call('ping')).ping, {});
});

test('half-open and half-said connections are closed after their time', async (t) => {
  const before = await shared.metric('ringpost_conns');
  const sockets = [];
  for (let n = 0; n < 100; n += 1) {
    for (const [port, bytes] of [[shared.httpPort, ''], [shared.httpPort, 'GET / HT'], [shared.tcpPort, ''], [shared.tcpPort, '{"id":1']]) {
      const socket = connect(port, '127.0.0.1').on('error', () => {});
      socket.write(bytes);
      sockets.push(socket);
    }
  }
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  await Promise.all(sockets.map((socket) => once(socket.resume(), 'close')));
  await until(async () => await shared.metric('ringpost_conns') <= before, 'the connections’ end');
});

test('a flood of connects that are torn down at every stage leaves nothing', async (t) => {
  const node = await start(t);
  const room = channel('chat');
  const stages = [
    [node.tcpPort, ''],
    [node.tcpPort, '{"id":1,"connect":{}}\n'],
    [node.tcpPort, `{"id":1,"connect":{}}\n{"id":2,"subscribe":{"channel":"${room}"}}\n`],
    [node.tcpPort, `{"id":1,"connect":{"token":"${connectionToken('flood')}"}}\n{"id":2,"subscribe":{"channel":"${room}"}}\n{"id":3,"publish":{"channel":"${room}","data":1}}\n`],
    [node.tcpPort, '{"id":1,"connect":{"token":"wrong"}}\n'],
    [node.httpPort, upgrade()],
    [node.httpPort, 'GET /health HTTP/1.1\r\nHost: x\r\n\r\n'],
    [node.httpPort, '\0\0\0\0'],
  ];
  for (let round = 0; round < 10; round += 1) {
    const sockets = stages.flatMap((stage) => Array(25).fill(stage)).map(([port, bytes], at) => {
      const socket = connect(port, '127.0.0.1').on('error', () => {}).resume();
      socket.write(bytes, () => (at % 2 ? socket.destroy() : socket.resetAndDestroy()));
      return socket;
    });
    await Promise.all(sockets.map((socket) => socket.destroyed || once(socket, 'close')));
  }
  assert.ok(await node.metric('ringpost_accepts_total') >= 1000);
  for (const gauge of ['conns', 'sessions', 'subscriptions', 'outbox_bytes']) {
    await until(async () => await node.metric(`ringpost_${gauge}`) === 0, `no ${gauge} left`);
  }
  const raw = await Frames.open(t, { node });
  raw.json({ id: 1, connect: {} });
  await raw.heard(0x81);
});
