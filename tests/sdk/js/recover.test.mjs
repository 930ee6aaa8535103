// Being away: what was missed comes, or the client is told that it does not.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BUILDS, channel, connect, subscribe } from './clients.mjs';
import { shared } from './node.mjs';

/** Publishes as the backend; a client that is away cannot see it come. */
async function publish(room, ...numbers) {
  for (const n of numbers) await shared.api('publish', { channel: room, data: n });
}

/** Cuts a client's connection, and lets it come back only after `meanwhile`. */
async function away(client, meanwhile) {
  const connecting = client.events('connecting');
  let open;
  client.gate.closed = new Promise((done) => { open = done; });
  client.cut();
  await connecting.at(0);
  await meanwhile();
  open();
  await client.ready();
}

for (const build of BUILDS) {
  const as = (what) => `${build.name}: ${what}`;
  const numbers = ({ heard }) => heard.publication.all.map(({ data }) => build.read(data));
  /** A client that passes a gate before each connect. */
  const patient = async (t, options) => {
    const gate = { closed: null };
    const getData = async () => {
      await gate.closed;
      return build.write({});
    };
    return Object.assign(await connect(t, build, { getData, ...options }), { gate });
  };

  test(as('a client that was cut off recovers exactly what it missed'), async (t) => {
    const room = channel('chat');
    const client = await patient(t);
    const subscription = await subscribe(client, room);
    await publish(room, 1, 2, 3);
    await subscription.heard.publication.at(2);
    await away(client, () => publish(room, 4, 5, 6, 7));
    await publish(room, 8);
    await subscription.heard.publication.at(7);
    assert.deepEqual(numbers(subscription), [1, 2, 3, 4, 5, 6, 7, 8]);
    const { wasRecovering, recovered } = await subscription.heard.subscribed.at(1);
    assert.deepEqual({ wasRecovering, recovered }, { wasRecovering: true, recovered: true });
  });

  test(as('a filter over tags holds live and after being away, and what it keeps out is no gap'), async (t) => {
    const room = channel('tags');
    const tick = async (...numbers) => {
      for (const n of numbers) await shared.api('publish', { channel: room, data: n, tags: { n: String(n), parity: String(n % 2) } });
    };
    const client = await patient(t);
    const even = { key: 'parity', cmp: 'eq', val: '0' };
    const tagsFilter = { op: 'and', nodes: [even, { op: 'not', nodes: [{ key: 'n', cmp: 'in', vals: ['4', '44'] }] }, { key: 'n', cmp: 'lt', val: '10.5' }] };
    const [some, all] = [await subscribe(client, room, { tagsFilter }), await subscribe(await connect(t, build), room)];
    await tick(1, 2, 3, 4, 5);
    await away(client, () => tick(6, 7, 8, 9));
    await tick(11, 10);
    await all.heard.publication.at(10);
    await some.heard.publication.at(3);
    assert.deepEqual(numbers(some), [2, 6, 8, 10]);
    assert.deepEqual(numbers(all), [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 10]);
    const { wasRecovering, recovered } = await some.heard.subscribed.at(1);
    assert.deepEqual({ wasRecovering, recovered }, { wasRecovering: true, recovered: true });
    assert.equal(some.heard.unsubscribed.all.length, 0);
    some.setTagsFilter({ key: 'parity', cmp: 'eq', val: '1' });
    await away(client, async () => {});
    await some.heard.subscribed.at(2);
    await tick(12, 13);
    await some.heard.publication.at(4);
    assert.deepEqual(numbers(some).at(-1), 13, 'the SDK has subscribed with the new filter');
  });

  test(as('who was away for longer than the history from its last publication on is told, though nothing was for it'), async (t) => {
    const room = channel('tags');
    const client = await patient(t);
    const subscription = await subscribe(client, room, { tagsFilter: { key: 'n', cmp: 'eq', val: 'none' } });
    await away(client, () => publish(room, ...Array(10).keys()));
    assert.equal((await subscription.heard.subscribed.at(1)).recovered, true);
    await publish(room, ...Array(11).keys());
    await away(client, async () => {});
    assert.equal((await subscription.heard.subscribed.at(2)).recovered, false, 'the SDK stands where it was last told');
  });

  test(as('without echo its own messages come by recovery only'), async (t) => {
    const room = channel('mute');
    const client = await patient(t);
    const subscription = await subscribe(client, room);
    const other = await connect(t, build, { user: 'bob' });
    const others = await subscribe(other, room);
    await publish(room, 1);
    await subscription.publish(build.write(2));
    await publish(room, 3);
    await others.heard.publication.at(2);
    await subscription.heard.publication.at(1);
    assert.deepEqual(numbers(others), [1, 2, 3]);
    assert.deepEqual(numbers(subscription), [1, 3]);
    await subscription.publish(build.write(4));
    await away(client, () => publish(room, 5));
    await subscription.heard.publication.at(3);
    // Of its own it is given the one that came after the last that it has heard.
    assert.deepEqual(numbers(subscription), [1, 3, 4, 5]);
    const { recovered } = await subscription.heard.subscribed.at(1);
    assert.ok(recovered);
    assert.deepEqual(subscription.heard.unsubscribed.all, []);
  });

  test(as('it recovers again and again while messages flow'), async (t) => {
    const room = channel('crowd');
    const client = await connect(t, build);
    const subscription = await subscribe(client, room);
    const total = 400;
    const flood = (async () => { for (let n = 0; n < total; n += 1) await publish(room, n); })();
    const subscribed = subscription.heard.subscribed;
    for (let cuts = 1; cuts <= 5; cuts += 1) {
      await subscription.heard.publication.at(cuts * 40);
      client.cut();
      await subscribed.at(cuts);
    }
    await flood;
    await subscription.heard.publication.at(total - 1);
    assert.deepEqual(numbers(subscription), [...Array(total).keys()]);
    assert.ok(subscribed.all.slice(1).every(({ recovered }) => recovered));
  });

  test(as('a client that was away for too long is told so'), async (t) => {
    const room = channel('short');
    const client = await patient(t);
    const subscription = await subscribe(client, room);
    await publish(room, 1);
    await subscription.heard.publication.at(0);
    await away(client, () => publish(room, 2, 3, 4, 5, 6));
    const { wasRecovering, recovered } = await subscription.heard.subscribed.at(1);
    assert.deepEqual({ wasRecovering, recovered }, { wasRecovering: true, recovered: false });
    await publish(room, 7);
    await subscription.heard.publication.at(1);
    assert.deepEqual(numbers(subscription), [1, 7]);
  });

  test(as('a history that was removed is not recovered in silence'), async (t) => {
    const room = channel('chat');
    const client = await patient(t);
    const subscription = await subscribe(client, room);
    await publish(room, 1);
    await subscription.heard.publication.at(0);
    await away(client, async () => {
      await publish(room, 2);
      await shared.api('history_remove', { channel: room });
    });
    assert.equal((await subscription.heard.subscribed.at(1)).recovered, false);
  });

  test(as('in a cache channel the latest publication comes with the subscription'), async (t) => {
    const room = channel('latest');
    await publish(room, 1, 2, 3);
    const client = await patient(t);
    const subscription = await subscribe(client, room, { since: { offset: 0, epoch: '' } });
    await subscription.heard.publication.at(0);
    await away(client, () => publish(room, 4, 5));
    await subscription.heard.publication.at(1);
    assert.deepEqual(numbers(subscription), [3, 5]);
  });

  test(as('a position from elsewhere is where a first subscription begins'), async (t) => {
    const room = channel('asked');
    await publish(room, 1, 2, 3);
    const client = await connect(t, build);
    const { epoch } = await client.history(room, { limit: 0 });
    const subscription = await subscribe(client, room, { since: { offset: 1, epoch } });
    await subscription.heard.publication.at(1);
    assert.deepEqual(numbers(subscription), [2, 3]);
  });

  test(as('what a client does not ask for, it does not get'), async (t) => {
    const client = await connect(t, build);
    const plain = (await (await subscribe(client, channel('asked'))).heard.subscribed.at(0));
    assert.deepEqual([plain.positioned, plain.recoverable], [false, false]);
    const positioned = (await (await subscribe(client, channel('asked'), { positioned: true })).heard.subscribed.at(0));
    assert.deepEqual([positioned.positioned, positioned.recoverable], [true, false]);
    const both = (await (await subscribe(client, channel('asked'), { recoverable: true })).heard.subscribed.at(0));
    assert.deepEqual([both.positioned, both.recoverable], [true, true]);
    assert.equal(typeof both.streamPosition.epoch, 'string');
  });

  test(as('a server-side subscription recovers too'), async (t) => {
    const user = `away-${build.name}`;
    const client = await patient(t, { user });
    const publications = client.events('publication');
    await publish(`personal:#${user}`, 1);
    await publications.at(0);
    await away(client, () => publish(`personal:#${user}`, 2, 3));
    await publish(`personal:#${user}`, 4);
    await publications.at(3);
    assert.deepEqual(publications.all.map(({ data }) => build.read(data)), [1, 2, 3, 4]);
  });

  test(as('a subscription that keeps its state elsewhere loads it anew when recovery fails'), async (t) => {
    const room = channel('short');
    let loads = 0;
    const client = await patient(t);
    const subscription = await subscribe(client, room, {
      getState: async () => {
        loads += 1;
        return shared.api('history', { channel: room, limit: 0 });
      },
    });
    await publish(room, 1);
    await subscription.heard.publication.at(0);
    await away(client, () => publish(room, 2, 3, 4, 5, 6));
    await subscription.heard.subscribed.at(1);
    await publish(room, 7);
    await subscription.heard.publication.at(1);
    assert.equal(loads, 2);
    assert.deepEqual(numbers(subscription), [1, 7]);
  });
}
