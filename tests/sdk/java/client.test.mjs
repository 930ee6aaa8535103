// The Java SDK against the node; it speaks Protobuf only.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

import { channel } from '../js/clients.mjs';
import { shared } from '../js/node.mjs';
import { connectionToken, inSeconds, subscriptionToken } from '../js/tokens.mjs';
import { until } from '../js/wait.mjs';

/** A client in a process of its own, led by lines: see Guest.java. */
class Guest {
  constructor(t, user, room, { connection = () => ({}), subscription = () => ({}) } = {}) {
    this.said = [];
    this.asked = { token: 0, subtoken: 0 };
    this.child = spawn('java', ['-cp', process.env.SDK_TEST_JAVA, 'Guest', shared.websocket, room], { stdio: ['pipe', 'pipe', 'inherit'] });
    t.after(() => this.child.kill());
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      if (line === 'token') this.tell(`token ${connectionToken(user, connection(++this.asked.token))}`);
      else if (line === 'subtoken') this.tell(`subtoken ${subscriptionToken(user, room, subscription(++this.asked.subtoken))}`);
      else this.said.push(line);
    });
  }

  tell(line) {
    this.child.stdin.write(`${line}\n`);
  }

  of = (kind) => this.said.filter((line) => line.split(' ')[0] === kind);

  /** The line of one kind at a place, once it has come. */
  heard(kind, place = 0) {
    return until(() => this.of(kind)[place], `${kind} number ${place + 1} in ${this.said}`);
  }
}

const numbers = (count) => Array.from({ length: count }, (_, n) => `publication ${n}`);

test('subscribers see what others publish in order, who is there, and the history', { timeout: 60_000 }, async (t) => {
  const room = channel('chat');
  const [ada, bob] = ['ada', 'bob'].map((user) => new Guest(t, user, room));
  for (const guest of [ada, bob]) await guest.heard('subscribed');
  for (let n = 0; n < 20; n += 1) ada.tell(`publish ${n}`);
  for (const guest of [ada, bob]) {
    await guest.heard('publication', 19);
    assert.deepEqual(guest.of('publication'), numbers(20));
  }
  await ada.heard('published', 19);
  ada.tell('stats');
  assert.equal(await ada.heard('stats'), 'stats 2 2');
  ada.tell('history 5');
  assert.equal(await ada.heard('history'), 'history 5 20');
});

test('a client that was cut off recovers what it missed', { timeout: 60_000 }, async (t) => {
  const [room, user] = [channel('chat'), channel('cut')];
  const guest = new Guest(t, user, room);
  await guest.heard('subscribed');
  for (let n = 0; n < 40; n += 1) {
    await shared.api('publish', { channel: room, data: n });
    if (n % 10 !== 5) continue;
    await guest.heard('publication', n);
    await shared.api('disconnect', { user, disconnect: { code: 4000, reason: 'cut' } });
  }
  await guest.heard('publication', 39);
  assert.deepEqual(guest.of('publication'), numbers(40));
  const again = guest.of('subscribed').slice(1);
  assert.ok(again.length > 0 && again.every((line) => line === 'subscribed true true'), String(again));
});

test('connection and subscription are renewed without an interruption', { timeout: 60_000 }, async (t) => {
  const room = `$${channel('asked')}`;
  const short = (asked) => ({ exp: inSeconds(asked === 1 ? 5 : 3600) });
  const guest = new Guest(t, 'ada', room, { connection: short, subscription: short });
  await until(() => guest.asked.token === 2 && guest.asked.subtoken === 2, 'both to be renewed');
  await shared.api('publish', { channel: room, data: 0 });
  await guest.heard('publication');
  assert.deepEqual([guest.of('connected').length, guest.of('subscribed').length], [1, 1]);
});

test('an expired token is replaced, a wrong one ends the connection', { timeout: 60_000 }, async (t) => {
  const late = new Guest(t, 'ada', channel('chat'), { connection: (asked) => ({ exp: inSeconds(asked === 1 ? -60 : 3600) }) });
  await late.heard('subscribed');
  assert.equal(late.asked.token, 2);
  const wrong = new Guest(t, 'ada', channel('chat'), { connection: () => ({ channel: 'chat:other' }) });
  assert.equal(await wrong.heard('disconnected'), 'disconnected 3500 invalid token');
});

test('a forbidden channel is refused', { timeout: 60_000 }, async (t) => {
  const guest = new Guest(t, 'ada', channel('locked'));
  assert.equal(await guest.heard('unsubscribed'), 'unsubscribed 103 permission denied');
});

test('a message beyond the limit ends the connection, and the client comes back', { timeout: 60_000 }, async (t) => {
  const guest = new Guest(t, 'ada', channel('flow'));
  await guest.heard('subscribed');
  guest.tell(`publish ${'x'.repeat(70_000)}`);
  await guest.heard('refused');
  await guest.heard('subscribed', 1);
});
