// WebSocket frame by frame: what RFC 6455 allows works, what it forbids gets the right close code.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { channel } from '../js/clients.mjs';
import { until } from '../js/wait.mjs';
import { frame, Frames } from './raw.mjs';

const CONNECT = JSON.stringify({ id: 1, connect: {} });

for (const [options, protocol, first] of [
  [{}, null, 0x81],
  [{ protocol: 'centrifuge-json' }, 'centrifuge-json', 0x81],
  [{ protocol: 'other, centrifuge-protobuf' }, 'centrifuge-protobuf', 0x82],
  [{ query: '?format=protobuf' }, null, 0x82],
  [{ query: '?cf_protocol=protobuf' }, null, 0x82],
]) {
  test(`${JSON.stringify(options)} speaks ${first === 0x81 ? 'JSON' : 'Protobuf'}`, async (t) => {
    const raw = await Frames.open(t, options);
    assert.match(raw.head, /^HTTP\/1\.1 101 /);
    assert.equal(/Sec-WebSocket-Protocol: (.*)\r?/i.exec(raw.head)?.[1].trim() ?? null, protocol);
    raw.send(first === 0x81 ? frame(0x81, CONNECT) : frame(0x82, Buffer.from([4, 0x08, 1, 0x22, 0])));
    const [, payload] = await raw.heard(first);
    assert.ok(payload.includes('sdk#'), 'the welcome names the node');
  });
}

test('a message may come in fragments with a ping between them', async (t) => {
  const raw = await Frames.open(t);
  raw.send(frame(0x01, CONNECT.slice(0, 5)));
  raw.send(frame(0x89, 'are you there'));
  raw.send(frame(0x00, CONNECT.slice(5, 9)));
  raw.send(frame(0x80, CONNECT.slice(9)));
  const [, pong] = await raw.heard(0x8a);
  assert.equal(pong.toString(), 'are you there');
  assert.match((await raw.heard(0x81))[1].toString(), /"connect"/);
});

test('several commands in one message, on lines of their own, are answered each', async (t) => {
  const raw = await Frames.open(t);
  raw.send(frame(0x81, `${CONNECT}\n{"id":2,"ping":{}}\n{"id":3,"ping":{}}`));
  await until(() => raw.frames.length === 3, 'three replies');
  assert.deepEqual(raw.frames.map(([, payload]) => JSON.parse(payload).id), [1, 2, 3]);
});

for (const [what, bytes, code] of [
  ['a frame without a mask', frame(0x81, CONNECT, { masked: false }), 1002],
  ['a reserved bit', frame(0xc1, CONNECT), 1002],
  ['an opcode that does not exist', frame(0x83, ''), 1002],
  ['a fragmented ping', frame(0x09, ''), 1002],
  ['a ping that is too long', frame(0x89, 'x'.repeat(126)), 1002],
  ['a continuation of nothing', frame(0x80, 'x'), 1002],
  ['a message within a message', Buffer.concat([frame(0x01, 'a'), frame(0x81, 'b')]), 1002],
  ['text that is no UTF-8', frame(0x81, Buffer.from([0xff, 0xfe])), 1007],
  ['a close with half a code', frame(0x88, Buffer.from([3])), 1002],
  ['a close with a code that must not be sent', frame(0x88, Buffer.from([0x03, 0xed])), 1002],
  ['a message beyond the limit', frame(0x81, 'x', { length: 65_537 }), 1009],
  ['fragments that together are beyond the limit', Buffer.concat([frame(0x01, 'x'.repeat(60_000)), frame(0x80, 'x'.repeat(6000))]), 1009],
  ['what is no command', frame(0x81, '[1]'), 3501],
  ['a command of the wrong type', frame(0x81, '{"id":1,"connect":{"token":5}}'), 3501],
  ['a command before connect', frame(0x81, '{"id":1,"ping":{}}'), 3501],
]) {
  test(`${what} is closed with ${code}`, async (t) => {
    const raw = await Frames.open(t);
    raw.send(bytes);
    assert.equal((await raw.closing())[0], code);
    await raw.end();
  });
}

test('a message of exactly the limit is taken', async (t) => {
  const room = channel('flow');
  const raw = await Frames.open(t);
  raw.json({ id: 1, connect: {} });
  raw.json({ id: 2, subscribe: { channel: room } });
  const command = { id: 3, publish: { channel: room, data: '' } };
  command.publish.data = 'x'.repeat(65_536 - JSON.stringify(command).length);
  raw.json(command);
  await until(() => raw.frames.some(([, payload]) => payload.toString() === '{"id":3,"publish":{}}'), 'the reply');
  const pub = await until(() => raw.frames.find(([, payload]) => payload.includes('"pub"')), 'the publication');
  assert.equal(JSON.parse(pub[1]).push.pub.data.length, command.publish.data.length);
});

test('a close is answered with a close', async (t) => {
  const raw = await Frames.open(t);
  raw.send(frame(0x88, Buffer.from([0x03, 0xe8])));
  assert.equal((await raw.closing())[0], 1000);
  await raw.end();
});

test('a client that is refused a thousand times is closed with 3509', async (t) => {
  const raw = await Frames.open(t);
  raw.json({ id: 1, connect: {} });
  const commands = Array.from({ length: 1000 }, (_, n) => JSON.stringify({ id: n + 2, rpc: {} }));
  raw.send(frame(0x81, commands.join('\n')));
  assert.equal((await raw.closing())[0], 3509);
});
