// At least once, with the SDK as it is: what is received, read, sent again, and kept for who is away.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BUILDS, channel, connect, subscribe } from './clients.mjs';
import { shared } from './node.mjs';
import { Events } from './wait.mjs';

/** Publishes as the backend. */
async function publish(room, ...numbers) {
  for (const n of numbers) await shared.api('publish', { channel: room, data: n });
}

for (const build of BUILDS) {
  const as = (what) => `${build.name}: ${what}`;
  const numbers = ({ heard }) => heard.publication.all.map(({ data }) => build.read(data));
  const offsets = ({ heard }) => heard.publication.all.map(({ offset }) => offset);
  /** Calls a method of the inbox, with its answer. */
  const inbox = async (client, method, data) => {
    const answer = await client.rpc(`inbox.${method}`, build.write(data));
    return build.read(answer.data);
  };
  const device = (id) => ({ claims: { device: id } });

  test(as('a device that comes back gets what it has not said that it received'), async (t) => {
    const room = channel('inbox');
    const first = await connect(t, build, device('phone'));
    const before = await subscribe(first, room);
    await publish(room, 1, 2, 3);
    await before.heard.publication.at(2);
    assert.deepEqual(await inbox(first, 'received', { channel: room, offset: 2 }), {});
    first.disconnect();
    await publish(room, 4, 5);
    // Another run of the application, which knows of no position.
    const second = await connect(t, build, device('phone'));
    const after = await subscribe(second, room);
    await after.heard.publication.at(2);
    assert.deepEqual(numbers(after), [3, 4, 5]);
    assert.deepEqual(offsets(after), [3, 4, 5]);
    await inbox(second, 'received', { channel: room, offset: 5 });
    // What is published next is the next to come: nothing comes again.
    await publish(room, 6);
    await after.heard.publication.at(3);
    assert.deepEqual(numbers(after), [3, 4, 5, 6]);
  });

  test(as('a client whose connection was cut gets all from its floor, whatever the SDK has noted'), async (t) => {
    const room = channel('inbox');
    const client = await connect(t, build, device('phone'));
    const subscription = await subscribe(client, room);
    await publish(room, 1, 2);
    await subscription.heard.publication.at(1);
    await inbox(client, 'received', { channel: room, offset: 1 });
    client.cut();
    const { recovered } = await subscription.heard.subscribed.at(1);
    assert.equal(recovered, true);
    await publish(room, 3);
    await subscription.heard.publication.at(3);
    assert.deepEqual(offsets(subscription).slice(0, 4), [1, 2, 2, 3]);
  });

  test(as('silence has a publication sent again with the number of the attempt, until it is received'), async (t) => {
    const room = channel('inbox');
    const client = await connect(t, build, device('phone'));
    const subscription = await subscribe(client, room);
    await publish(room, 1);
    const again = await subscription.heard.publication.at(1);
    assert.deepEqual([again.offset, again.tags], [1, { attempt: '2' }]);
    await inbox(client, 'received', { channel: room, offset: 1 });
    await publish(room, 2);
    await subscription.heard.publication.find(({ offset }) => offset === 2);
    await inbox(client, 'received', { channel: room, offset: 2 });
    const { events } = await shared.api('trace', { channel: room, offset: 1 });
    const told = events.map(({ what, attempt }) => (attempt ? `${what} ${attempt}` : what));
    assert.deepEqual(told.slice(0, 2), ['published', 'sent 2']);
    assert.equal(told.at(-1), 'received');
  });

  test(as('in a large room the sender hears of how many a message was received and read'), async (t) => {
    const room = channel('inbox');
    const others = Array.from({ length: 100 }, (_, number) => `member-${number}`);
    await shared.api('members_add', { channel: room, users: others });
    const ada = await connect(t, build, { user: 'ada', ...device('phone') });
    const bob = await connect(t, build, { user: 'bob', ...device('phone') });
    const told = new Events(ada, 'message');
    await subscribe(ada, room);
    const heard = await subscribe(bob, room);
    const { offset } = await inbox(ada, 'send', { channel: room, id: 'm-1', data: 'hi' });
    await heard.heard.publication.at(0);
    await inbox(bob, 'received', { channel: room, offset });
    await inbox(bob, 'read', { channel: room, offset });
    const isRead = ({ data }) => build.read(data).receipts?.some(({ read }) => read === 1);
    const { type, receipts } = build.read((await told.find(isRead)).data);
    assert.equal(type, 'inbox.receipts');
    assert.deepEqual(receipts, [{ offset, received: 1, read: 1, members: 101 }]);
    assert.deepEqual((await inbox(ada, 'positions', { channel: room })).receipts, receipts);
  });

  test(as('what is never received becomes a dead letter, and the next follows'), async (t) => {
    const room = channel('inbox');
    const client = await connect(t, build, device('phone'));
    const subscription = await subscribe(client, room);
    await publish(room, 'lost');
    await subscription.heard.publication.at(2);
    await publish(room, 'kept');
    await subscription.heard.publication.find(({ offset }) => offset === 2);
    await inbox(client, 'received', { channel: room, offset: 2 });
    const { dead_letters: dead } = await shared.api('dead_letters_list', { channel: room });
    assert.deepEqual(dead.map(({ publication }) => publication.data), ['lost']);
    assert.deepEqual(dead[0].failures.map(({ user, device: id, attempts }) => [user, id, attempts]), [['ada', 'phone', 3]]);
  });

  test(as('a message with an id is published once, and others see it received and read'), async (t) => {
    const room = channel('inbox');
    const ada = await connect(t, build, { user: 'ada', ...device('phone') });
    const bob = await connect(t, build, { user: 'bob', ...device('phone') });
    const hers = await subscribe(ada, room);
    const his = await subscribe(bob, room);
    const told = new Events(ada, 'message');
    const sent = await inbox(ada, 'send', { channel: room, id: 'm-1', data: { text: 'hi' } });
    assert.equal(sent.offset, 1);
    ada.cut();
    await hers.heard.subscribed.at(1);
    assert.deepEqual(await inbox(ada, 'send', { channel: room, id: 'm-1', data: { text: 'hi' } }), sent);
    await his.heard.publication.at(0);
    assert.deepEqual(numbers(his), [{ text: 'hi' }]);
    assert.equal((await inbox(bob, 'unread', { channel: room })).unread, 1);
    await inbox(bob, 'received', { channel: room, offset: 1, epoch: sent.epoch });
    await inbox(bob, 'read', { channel: room, offset: 1, epoch: sent.epoch });
    const isRead = ({ data }) => build.read(data).users.some(({ user, read }) => user === 'bob' && read === 1);
    const { type, channel: where } = build.read((await told.find(isRead)).data);
    assert.deepEqual([type, where], ['inbox.positions', room]);
    assert.equal((await inbox(bob, 'unread', { channel: room })).unread, 0);
    const { users } = await inbox(ada, 'positions', { channel: room });
    assert.deepEqual(users.find(({ user }) => user === 'bob'), { user: 'bob', received: 1, read: 1 });
    await inbox(ada, 'received', { channel: room, offset: 1 });
  });

  test(as('what makes no sense is refused'), async (t) => {
    const room = channel('inbox');
    const client = await connect(t, build, device('phone'));
    await subscribe(client, room);
    const code = async (method, data) => {
      const refused = await inbox(client, method, data).then(() => ({ code: 0 }), (error) => error);
      return refused.code;
    };
    assert.equal(await code('received', { channel: room, offset: 7 }), 107);
    assert.equal(await code('received', { channel: room, offset: 0, epoch: 'other' }), 112);
    assert.equal(await code('received', { channel: channel('chat'), offset: 0 }), 108);
    assert.equal(await code('unread', { channel: channel('inbox') }), 103);
    assert.equal(await code('nothing', {}), 104);
  });
}
