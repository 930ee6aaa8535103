// One room, 1,000 subscribers on two shards, 100 publishers: one order, nothing missing, nothing twice.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { channel } from '../js/clients.mjs';
import { shared } from '../js/node.mjs';
import { until } from '../js/wait.mjs';
import { Lines } from './raw.mjs';

const SUBSCRIBERS = 1000;
const PUBLISHERS = 100;
const EACH = 10;
const TOTAL = PUBLISHERS * EACH;

test('1,000 subscribers and 100 publishers see one order', { timeout: 90_000 }, async (t) => {
  const room = channel('crowd');
  const order = []; // the lines as whoever is ahead has seen them
  const shards = new Set();
  const subscribers = await Promise.all(Array.from({ length: SUBSCRIBERS }, () => subscriber(t, room, order, shards)));
  assert.equal(shards.size, 2, 'both shards have subscribers');

  const publishers = Array.from({ length: PUBLISHERS }, () => new Lines(t));
  await Promise.all(publishers.map((publisher) => publisher.call('connect')));
  for (let n = 0; n < EACH; n += 1) {
    publishers.forEach((publisher, by) => publisher.send(`${JSON.stringify({ id: 10 + n, publish: { channel: room, data: { by, n } } })}\n`));
    await until(() => publishers.every((publisher) => publisher.text().includes(`{"id":${10 + n},`)), `the replies to message ${n}`);
  }
  await until(() => subscribers.every(({ seen }) => seen >= TOTAL), 'all messages at all subscribers');

  assert.deepEqual(subscribers.filter(({ seen, astray }) => seen !== TOTAL || astray), []);
  const publications = order.map((line) => JSON.parse(line).push.pub);
  assert.deepEqual(publications.map(({ offset }) => offset), Array.from({ length: TOTAL }, (_, at) => at + 1));
  for (let by = 0; by < PUBLISHERS; by += 1) {
    const own = publications.filter(({ data }) => data.by === by).map(({ data }) => data.n);
    assert.deepEqual(own, [...Array(EACH).keys()], `publisher ${by} keeps its order`);
  }
});

/** Subscribes over TCP, and compares each line that comes with what the others have seen at that place. */
async function subscriber(t, room, order, shards) {
  const raw = new Lines(t, shared);
  shards.add((await raw.call('connect')).connect.node);
  await raw.call('subscribe', { channel: room });
  const state = { seen: 0, astray: '' };
  let rest = '';
  raw.socket.removeAllListeners('data');
  raw.socket.on('data', (data) => {
    const lines = (rest + data).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      if (line === '{}') {
        raw.send('{}\n');
        continue;
      }
      order[state.seen] ??= line;
      if (order[state.seen] !== line) state.astray ||= `at ${state.seen}: ${line} instead of ${order[state.seen]}`;
      state.seen += 1;
    }
  });
  return state;
}
