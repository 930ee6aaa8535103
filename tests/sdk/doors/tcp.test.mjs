// The TCP door: JSON lines as `nc` sends them, length-prefixed Protobuf, and what is neither.
import assert from 'node:assert/strict';
import { spawnSync, spawn } from 'node:child_process';
import { test } from 'node:test';

import { channel } from '../js/clients.mjs';
import { shared, start } from '../js/node.mjs';
import { connectionToken, inSeconds, subscriptionToken } from '../js/tokens.mjs';
import { until } from '../js/wait.mjs';
import { http, Lines, Raw, upgrade } from './raw.mjs';

test('lines of JSON connect, subscribe, publish, and are answered line by line', async (t) => {
  const room = channel('chat');
  const raw = new Lines(t);
  const { connect } = await raw.call('connect', { token: connectionToken('ada') });
  assert.match(connect.node, /^sdk#[01]$/);
  assert.deepEqual([connect.ping, connect.pong, typeof connect.version], [5, true, 'string']);
  const { subscribe } = await raw.call('subscribe', { channel: room });
  assert.equal(subscribe.recoverable, true);
  assert.deepEqual((await raw.call('publish', { channel: room, data: { a: [1, null, 'ü'] } })).publish, {});
  const { channel: name, pub } = await raw.push('pub');
  assert.deepEqual([name, pub.data, pub.offset, pub.info.user], [room, { a: [1, null, 'ü'] }, 1, 'ada']);
  const { history } = await raw.call('history', { channel: room, limit: 10 });
  assert.deepEqual(history.publications.map(({ data }) => data), [{ a: [1, null, 'ü'] }]);
  assert.deepEqual((await raw.call('unsubscribe', { channel: room })).unsubscribe, {});
  assert.deepEqual((await raw.call('ping')).ping, {});
});

test('commands that arrive in one packet, or byte by byte, mean the same', async (t) => {
  const commands = [{ id: 1, connect: {} }, { id: 2, ping: {} }, { id: 3, rpc: { method: 'x' } }];
  const text = commands.map((command) => `${JSON.stringify(command)}\r\n`).join('');
  const [whole, split] = [new Lines(t), new Lines(t)];
  whole.send(text);
  for (const letter of text) {
    split.send(letter);
    await new Promise((done) => { setImmediate(done); });
  }
  for (const raw of [whole, split]) {
    await until(() => raw.lines.length === 3, 'three replies');
    assert.deepEqual(raw.lines.map(({ id }) => id), [1, 2, 3]);
    assert.equal(raw.lines[2].error.code, 108);
  }
});

test('length-prefixed Protobuf is told apart by its first byte', async (t) => {
  const raw = new Raw(t, shared.tcpPort);
  // Command { id: 1, connect: {} }, then Command { id: 2, ping: {} }: fields 1 and 4, 1 and 11 of client.proto.
  raw.send(Buffer.from([4, 0x08, 1, 0x22, 0, 4, 0x08, 2, 0x5a, 0]));
  await until(() => raw.bytes.length > 40, 'two replies');
  const first = raw.bytes.subarray(1, 1 + raw.bytes[0]);
  const second = raw.bytes.subarray(1 + raw.bytes[0]);
  assert.deepEqual([...first.subarray(0, 2)], [0x08, 1]);
  // In a Reply the ping is field 12.
  assert.deepEqual([...second], [4, 0x08, 2, 0x62, 0]);
});

for (const [what, bytes] of [
  ['a line that is no JSON', '{"id":1,"connect":}\n'],
  ['a command before connect', '{"id":1,"ping":{}}\n'],
  ['a command without an id', '{"connect":{}}\n'],
  ['a Protobuf message that is none', Buffer.from([3, 0xff, 0xff, 0xff])],
  ['a second connect', '{"id":1,"connect":{}}\n{"id":2,"connect":{}}\n'],
]) {
  test(`${what} ends the connection with 3501`, async (t) => {
    const before = await shared.metric('ringpost_closes_total', { code: '3501' });
    const raw = new Raw(t, shared.tcpPort);
    raw.send(bytes);
    await raw.end();
    await until(async () => await shared.metric('ringpost_closes_total', { code: '3501' }) > before, 'the count of 3501');
  });
}

test('over JSON lines the node says why before it closes', async (t) => {
  const raw = new Lines(t);
  raw.send('{"id":1,"ping":{}}\n');
  const disconnect = await raw.push('disconnect');
  assert.equal(disconnect.disconnect.code, 3501);
  await raw.end();
});

test('a line that never ends is refused at the limit', async (t) => {
  const raw = new Raw(t, shared.tcpPort);
  raw.send(`{"id":1,"connect":{"token":"${'x'.repeat(70_000)}`);
  await raw.end();
});

test('who says nothing, or nothing whole, is closed with 3502 after its time', async (t) => {
  const before = await shared.metric('ringpost_closes_total', { code: '3502' });
  const raws = ['', '{"id":1,', 'GET / HTTP/1.1\r\n\r\n'].map((bytes) => {
    const raw = new Raw(t, shared.tcpPort);
    raw.send(bytes);
    return raw;
  });
  for (const raw of raws) await raw.end();
  await until(async () => await shared.metric('ringpost_closes_total', { code: '3502' }) >= before + 2, 'the count of 3502');
});

test('a connection whose token runs out is closed with 3005 after its grace', async (t) => {
  const raw = new Lines(t);
  const { connect } = await raw.call('connect', { token: connectionToken('ada', { exp: inSeconds(2) }) });
  assert.equal(connect.expires, true);
  assert.ok([0, 1, 2].includes(connect.ttl), `ttl ${connect.ttl}`);
  assert.equal((await raw.push('disconnect')).disconnect.code, 3005);
  await raw.end();
});

test('a subscription whose token runs out ends with 2501, the connection goes on', async (t) => {
  const room = `$${channel()}`;
  const raw = new Lines(t);
  await raw.call('connect', { token: connectionToken('ada') });
  const token = subscriptionToken('ada', room, { exp: inSeconds(2) });
  assert.equal((await raw.call('subscribe', { channel: room, token })).subscribe.expires, true);
  const { channel: name, unsubscribe } = await raw.push('unsubscribe');
  assert.deepEqual([name, unsubscribe.code], [room, 2501]);
  // Longer ago than clocks may be apart (client.token.leeway).
  const expired = subscriptionToken('ada', room, { exp: inSeconds(-60) });
  assert.equal((await raw.call('subscribe', { channel: room, token: expired })).error.code, 109);
});

test('more clients than the node may have are refused, and let in when there is room again', async (t) => {
  const node = await start(t, { env: { RINGPOST_CLIENT__CONNECTION_LIMIT: '2' } });
  const clients = [new Lines(t, node), new Lines(t, node)];
  for (const client of clients) await client.call('connect');
  const third = new Lines(t, node);
  third.send('{"id":1,"connect":{}}\n');
  assert.equal((await third.push('disconnect')).disconnect.code, 3504);
  assert.equal((await http(t, upgrade(), node)).status, 503);
  clients[0].socket.destroy();
  await until(async () => await node.metric('ringpost_conns') <= 1, 'a place');
  await new Lines(t, node).call('connect');
});

test('nc talks to the node', { skip: spawnSync('which', ['nc']).status !== 0 && 'nc is not installed' }, async (t) => {
  const nc = spawn('nc', ['127.0.0.1', String(shared.tcpPort)], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => nc.kill());
  let said = '';
  nc.stdout.on('data', (data) => { said += data; });
  nc.stdin.write('{"id":1,"connect":{}}\n');
  await until(() => said.includes('"node":"sdk#'), 'a welcome');
});
