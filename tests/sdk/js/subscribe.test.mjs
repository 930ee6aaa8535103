// Channels: who may do what, what subscribers see, what backends do to subscriptions.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BUILDS, channel, connect, makeClient, subscribe } from './clients.mjs';
import { shared } from './node.mjs';
import { BEYOND_EXPIRY_MS, inSeconds, subscriptionToken } from './tokens.mjs';

for (const build of BUILDS) {
  const as = (what) => `${build.name}: ${what}`;
  const refused = async (t, room, code, options, terms) => {
    const client = await connect(t, build, options);
    const subscription = await subscribe(client, room, { ...terms, wait: false });
    assert.equal((await subscription.heard.unsubscribed.at(0)).code, code);
  };

  test(as('what one publishes all subscribers see, the publisher too'), async (t) => {
    const room = channel('asked');
    const [ada, bob] = [await connect(t, build), await connect(t, build, { user: 'bob' })];
    const [hers, his] = [await subscribe(ada, room), await subscribe(bob, room)];
    for (let n = 1; n <= 20; n += 1) await hers.publish(build.write({ n }));
    for (const { heard } of [hers, his]) {
      await heard.publication.at(19);
      assert.deepEqual(heard.publication.all.map(({ data }) => build.read(data).n), [...Array(20).keys()].map((n) => n + 1));
      assert.deepEqual(heard.publication.all.map(({ offset }) => offset), [...Array(20).keys()].map((n) => n + 1));
      assert.equal(heard.publication.all[0].info.user, 'ada');
    }
  });

  test(as('publishing without subscribing is refused where only subscribers may'), async (t) => {
    const client = await connect(t, build);
    await assert.rejects(client.publish(channel(), build.write(1)), { code: 103 });
    await client.publish(channel('asked'), build.write(1));
  });

  test(as('a filter over tags is refused with 107 where the namespace allows none, or it is wrong'), async (t) => {
    await refused(t, channel('asked'), 107, {}, { tagsFilter: { key: 'n', cmp: 'eq', val: '1' } });
    await refused(t, channel('tags'), 107, {}, { tagsFilter: { key: 'n', cmp: 'is', val: '1' } });
  });

  test(as('an unknown namespace is refused with 102'), (t) => refused(t, channel('nowhere'), 102));
  test(as('a namespace that allows nothing is refused with 103'), (t) => refused(t, channel('locked'), 103));
  test(as('an anonymous client is refused with 103 where only users may'), (t) => refused(t, channel(), 103, { user: null }));
  test(as('a name that breaks its namespace’s rule is refused with 107'), (t) => refused(t, 'number:seven', 107));

  test(as('a name that keeps its namespace’s rule is allowed'), async (t) => {
    await subscribe(await connect(t, build), 'number:7');
  });

  test(as('more channels than one session may have are refused with 106'), async (t) => {
    const client = await connect(t, build, { user: null });
    for (let n = 0; n < 16; n += 1) await subscribe(client, channel('chat'));
    const subscription = await subscribe(client, channel('chat'), { wait: false });
    assert.equal((await subscription.heard.unsubscribed.at(0)).code, 106);
  });

  test(as('a private channel opens to its token only'), async (t) => {
    const room = `$${channel()}`;
    const client = await connect(t, build);
    const subscription = await subscribe(client, room, {
      token: subscriptionToken('ada', room, { info: { role: 'guest' } }),
    });
    await shared.api('publish', { channel: room, data: { hello: 'inside' } });
    assert.deepEqual(build.read((await subscription.heard.publication.at(0)).data), { hello: 'inside' });
    await refused(t, room, 103, { user: 'bob' });
  });

  test(as('a subscription token that nobody signed is refused with 103'), async (t) => {
    await refused(t, `$${channel()}`, 103, {}, { token: 'not.a.token' });
  });

  for (const [whose, token] of [
    ['another user', (room) => subscriptionToken('bob', room)],
    ['another channel', (room) => subscriptionToken('ada', `${room}-other`)],
  ]) {
    test(as(`a subscription token of ${whose} ends the connection with 3500`), async (t) => {
      const room = `$${channel()}`;
      const client = await connect(t, build);
      const disconnected = client.events('disconnected');
      await subscribe(client, room, { token: token(room), wait: false });
      assert.equal((await disconnected.at(0)).code, 3500);
    });
  }

  test(as('a subscription is renewed before it expires and goes on'), async (t) => {
    const room = `$${channel()}`;
    let asked = 0;
    const client = await connect(t, build);
    const subscription = await subscribe(client, room, {
      getToken: async () => subscriptionToken('ada', room, { exp: inSeconds(++asked === 1 ? 2 : 3600) }),
    });
    await new Promise((done) => { setTimeout(done, BEYOND_EXPIRY_MS); });
    assert.equal(asked, 2);
    assert.equal(subscription.heard.subscribed.all.length, 1, 'it never had to resubscribe');
  });

  test(as('a user-limited channel opens to the users in its name'), async (t) => {
    const room = `users:${process.pid}#ada,bob`;
    const [ada, bob] = [await connect(t, build), await connect(t, build, { user: 'bob' })];
    const [hers, his] = [await subscribe(ada, room), await subscribe(bob, room)];
    await hers.publish(build.write('psst'));
    assert.equal(build.read((await his.heard.publication.at(0)).data), 'psst');
    await refused(t, room, 103, { user: 'eve' });
    await refused(t, room, 103, { user: null });
  });

  test(as('every user has a personal channel from the start'), async (t) => {
    const user = `personal-${build.name}`;
    const client = makeClient(t, build, { user });
    const [subscribed, publications] = [client.events('subscribed'), client.events('publication')];
    client.connect();
    const { channel: own, recoverable, positioned } = await subscribed.at(0);
    assert.deepEqual({ own, recoverable, positioned }, { own: `personal:#${user}`, recoverable: true, positioned: true });
    await shared.api('publish', { channel: own, data: { mail: 1 } });
    assert.deepEqual(build.read((await publications.at(0)).data), { mail: 1 });
  });

  test(as('channels of the token come with the connection, with what it says about them'), async (t) => {
    const [plain, rich] = [channel('locked'), channel('asked')];
    const client = makeClient(t, build, {
      claims: { channels: [plain], subs: { [rich]: { info: { seat: 4 }, data: { hello: 'you' }, override: { force_recovery: { value: true } } } } },
    });
    const [subscribed, publications] = [client.events('subscribed'), client.events('publication')];
    client.connect();
    await client.ready();
    const found = await subscribed.find((event) => event.channel === rich);
    assert.deepEqual(build.read(found.data), { hello: 'you' });
    assert.equal(found.recoverable, true);
    await subscribed.find((event) => event.channel === plain);
    const { clients } = await client.presence(rich);
    assert.deepEqual(build.read(Object.values(clients)[0].chanInfo), { seat: 4 });
    await shared.api('broadcast', { channels: [plain, rich], data: { to: 'both' } });
    await publications.find((event) => event.channel === plain);
    await publications.find((event) => event.channel === rich);
  });

  test(as('presence names who is there, and its stats count clients and users'), async (t) => {
    const room = channel('asked');
    const clients = [];
    for (const user of ['ada', 'ada', 'bob']) clients.push(await connect(t, build, { user }));
    for (const client of clients) await subscribe(client, room);
    const { clients: present } = await clients[0].presence(room);
    assert.deepEqual(Object.values(present).map(({ user }) => user).sort(), ['ada', 'ada', 'bob']);
    assert.deepEqual(await clients[0].presenceStats(room), { numClients: 3, numUsers: 2 });
    await assert.rejects(clients[0].presence(channel('flow')), { code: 108 });
  });

  test(as('who comes and goes is told to those who asked'), async (t) => {
    const room = channel('asked');
    const [ada, bob, cy] = [await connect(t, build), await connect(t, build, { user: 'bob' }), await connect(t, build, { user: 'cy' })];
    const hears = await subscribe(ada, room, { joinLeave: true });
    const deaf = await subscribe(bob, room);
    const third = await subscribe(cy, room);
    await hears.heard.join.find(({ info }) => info.user === 'bob');
    await hears.heard.join.find(({ info }) => info.user === 'cy');
    third.unsubscribe();
    await hears.heard.leave.find(({ info }) => info.user === 'cy');
    bob.disconnect();
    await hears.heard.leave.find(({ info }) => info.user === 'bob');
    assert.deepEqual([deaf.heard.join.all, deaf.heard.leave.all], [[], []]);
  });

  test(as('history comes in pages, forward and backward'), async (t) => {
    const room = channel('asked');
    const client = await connect(t, build);
    for (let n = 1; n <= 8; n += 1) await client.publish(room, build.write(n));
    const read = async (options) => {
      const { publications } = await client.history(room, options);
      return publications.map(({ data }) => build.read(data));
    };
    const { offset, epoch, publications } = await client.history(room, { limit: 0 });
    assert.deepEqual([offset, publications.length], [8, 0]);
    assert.deepEqual(await read({ limit: 3 }), [1, 2, 3]);
    assert.deepEqual(await read({ limit: 3, since: { offset: 3, epoch } }), [4, 5, 6]);
    assert.deepEqual(await read({ limit: 3, reverse: true }), [8, 7, 6]);
    assert.deepEqual(await read({ limit: 3, reverse: true, since: { offset: 6, epoch } }), [5, 4, 3]);
    assert.deepEqual(await read({ limit: -1 }), [1, 2, 3, 4, 5, 6, 7, 8]);
    await assert.rejects(client.history(room, { limit: 3, since: { offset: 3, epoch: 'other' } }), { code: 112 });
    await assert.rejects(client.history(channel('flow'), { limit: 1 }), { code: 108 });
  });

  test(as('a backend ends a subscription with 2000, for good'), async (t) => {
    const user = `unsubscribed-${build.name}`;
    const client = await connect(t, build, { user });
    const subscription = await subscribe(client, channel());
    await shared.api('unsubscribe', { user, channel: subscription.channel });
    assert.deepEqual(await subscription.heard.unsubscribed.at(0), {
      channel: subscription.channel, code: 2000, reason: 'server unsubscribe',
    });
    await shared.api('publish', { channel: subscription.channel, data: {} });
    await assert.rejects(client.publish(subscription.channel, build.write(1)), { code: 103 });
    assert.deepEqual(subscription.heard.publication.all, []);
  });

  test(as('a backend begins a subscription and ends it'), async (t) => {
    const [user, room] = [`subscribed-${build.name}`, channel('asked')];
    const client = await connect(t, build, { user });
    const events = ['subscribed', 'publication', 'unsubscribed'].map((name) => client.events(name));
    await shared.api('subscribe', { user, channel: room, data: { by: 'backend' } });
    const begun = await events[0].find((event) => event.channel === room);
    assert.deepEqual(build.read(begun.data), { by: 'backend' });
    await shared.api('publish', { channel: room, data: { n: 1 } });
    assert.deepEqual(build.read((await events[1].find((event) => event.channel === room)).data), { n: 1 });
    await shared.api('unsubscribe', { user, channel: room });
    await events[2].find((event) => event.channel === room);
  });

  test(as('a publication carries the tags of the backend and spares the client that it excludes'), async (t) => {
    const room = channel('asked');
    const ada = makeClient(t, build);
    const connected = ada.events('connected');
    ada.connect();
    const { client: id } = await connected.at(0);
    const hers = await subscribe(ada, room);
    const his = await subscribe(await connect(t, build, { user: 'bob' }), room);
    await shared.api('publish', { channel: room, data: { for: 'bob' }, exclude_client: id });
    await shared.api('publish', { channel: room, data: { for: 'all' }, tags: { kind: 'news' } });
    assert.deepEqual((await his.heard.publication.at(1)).tags, { kind: 'news' });
    assert.deepEqual(build.read((await hers.heard.publication.at(0)).data), { for: 'all' });
    assert.equal(hers.heard.publication.all.length, 1);
  });

  test(as('messages pass whole up to the limit, and beyond it the connection ends'), async (t) => {
    const room = channel('flow');
    const client = await connect(t, build);
    const subscription = await subscribe(client, room);
    for (const [at, size] of [1, 125, 126, 4096, 16_384, 65_000].entries()) {
      const text = 'ü'.repeat(size / 2) + 'x'.repeat(size % 2);
      await subscription.publish(build.write(text));
      assert.equal(build.read((await subscription.heard.publication.at(at)).data), text);
    }
    const disconnected = client.events('disconnected');
    subscription.publish(build.write('x'.repeat(65_536))).catch(() => {});
    assert.equal((await disconnected.at(0)).code, 3, 'the SDK’s own code for a close of 1009');
  });

  test(as('many commands in one frame are answered one by one, in order'), async (t) => {
    const client = await connect(t, build);
    const room = channel('asked');
    const subscription = await subscribe(client, room);
    client.startBatching();
    const sent = Array.from({ length: 50 }, (_, n) => client.publish(room, build.write(n)));
    client.stopBatching();
    await Promise.all(sent);
    await subscription.heard.publication.at(49);
    assert.deepEqual(subscription.heard.publication.all.map(({ data }) => build.read(data)), [...Array(50).keys()]);
  });
}

test('JSON and Protobuf clients read each other', async (t) => {
  const room = channel('asked');
  const [json, protobuf] = BUILDS;
  const [ada, bob] = [await connect(t, json), await connect(t, protobuf, { user: 'bob' })];
  const [hers, his] = [await subscribe(ada, room), await subscribe(bob, room)];
  await hers.publish({ text: 'ä\n“quoted”' });
  assert.deepEqual(protobuf.read((await his.heard.publication.at(0)).data), { text: 'ä\n“quoted”' });
  await his.publish(protobuf.write({ text: 'ß' }));
  assert.deepEqual((await hers.heard.publication.at(1)).data, { text: 'ß' });
});
