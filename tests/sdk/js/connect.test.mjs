// Connecting, identity, expiry, and the ways in which a connection ends.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BUILDS, connect, makeClient, subscribe, channel } from './clients.mjs';
import { shared, start } from './node.mjs';
import { BEYOND_EXPIRY_MS, connectionToken, inSeconds, sign } from './tokens.mjs';

for (const build of BUILDS) {
  test(`${build.name}: a token connects its user`, async (t) => {
    const client = makeClient(t, build, { claims: { info: { name: 'Ada' } } });
    const connected = client.events('connected');
    client.connect();
    const { client: id, transport } = await connected.at(0);
    assert.match(id, /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/);
    assert.equal(transport, 'websocket');
    const watcher = await connect(t, build, { user: 'watcher' });
    const room = channel('asked');
    await subscribe(client, room);
    const { clients } = await watcher.presence(room);
    assert.deepEqual(Object.keys(clients), [id]);
    assert.equal(clients[id].user, 'ada');
    assert.deepEqual(build.read(clients[id].connInfo), { name: 'Ada' });
  });

  test(`${build.name}: a client without a token is anonymous`, async (t) => {
    const client = await connect(t, build, { user: null });
    const subscription = await subscribe(client, channel('chat'));
    const { clients } = await subscription.presence();
    assert.deepEqual(Object.values(clients).map(({ user }) => user), ['']);
  });

  test(`${build.name}: a token signed by somebody else ends the connection with 3500`, async (t) => {
    const client = makeClient(t, build, { token: sign({ sub: 'ada', exp: inSeconds(60) }, 'not the secret') });
    const disconnected = client.events('disconnected');
    client.connect();
    assert.deepEqual(await disconnected.at(0), { code: 3500, reason: 'invalid token' });
  });

  test(`${build.name}: an expired token is answered with 109, and a new one connects`, async (t) => {
    const tokens = [connectionToken('ada', { exp: inSeconds(-60) }), connectionToken('ada')];
    const client = makeClient(t, build, { getToken: async () => tokens.shift() });
    const errors = client.events('error');
    client.connect();
    await client.ready();
    assert.equal((await errors.at(0)).error.code, 109);
    assert.equal(tokens.length, 0);
  });

  test(`${build.name}: a connection is renewed before it expires and goes on`, async (t) => {
    let asked = 0;
    const client = makeClient(t, build, {
      getToken: async () => connectionToken('ada', { exp: inSeconds(++asked === 1 ? 2 : 3600) }),
    });
    const connected = client.events('connected');
    client.connect();
    await client.ready();
    const subscription = await subscribe(client, channel());
    await new Promise((done) => { setTimeout(done, BEYOND_EXPIRY_MS); });
    assert.equal(asked, 2);
    assert.equal(connected.all.length, 1, 'it never had to reconnect');
    await subscription.publish(build.write('still here'));
  });

  test(`${build.name}: expire_at 0 lets a session outlive its token`, async (t) => {
    const client = makeClient(t, build, { claims: { exp: inSeconds(2), expire_at: 0 } });
    const ended = [client.events('connecting'), client.events('disconnected')];
    client.connect();
    await client.ready();
    await new Promise((done) => { setTimeout(done, BEYOND_EXPIRY_MS); });
    assert.deepEqual(ended.map(({ all }) => all.length), [1, 0]);
  });

  test(`${build.name}: rpc is answered with 108, since no application is behind the node`, async (t) => {
    const client = await connect(t, build);
    await assert.rejects(client.rpc('anything', build.write({})), { code: 108 });
  });

  test(`${build.name}: send is taken without an answer`, async (t) => {
    const client = await connect(t, build);
    await client.send(build.write({ to: 'nobody' }));
    await assert.rejects(client.rpc('', build.write({})), { code: 108 });
  });

  test(`${build.name}: a backend disconnects a user for good with 3503`, async (t) => {
    const client = await connect(t, build, { user: `gone-${build.name}` });
    const disconnected = client.events('disconnected');
    await shared.api('disconnect', { user: `gone-${build.name}` });
    assert.deepEqual(await disconnected.at(0), { code: 3503, reason: 'force disconnect' });
  });

  test(`${build.name}: a code of the backend's own decides whether the client comes back`, async (t) => {
    const user = `coded-${build.name}`;
    const client = await connect(t, build, { user });
    const connecting = client.events('connecting');
    await shared.api('disconnect', { user, disconnect: { code: 4001, reason: 'move over' } });
    assert.deepEqual(await connecting.at(0), { code: 4001, reason: 'move over' });
    await client.ready();
    const disconnected = client.events('disconnected');
    await shared.api('disconnect', { user, disconnect: { code: 4501, reason: 'stay away' } });
    assert.deepEqual(await disconnected.at(0), { code: 4501, reason: 'stay away' });
  });

  test(`${build.name}: a backend disconnects all but the clients that it lists`, async (t) => {
    const user = `whitelist-${build.name}`;
    const [stays, goes] = [makeClient(t, build, { user }), await connect(t, build, { user })];
    const connected = stays.events('connected');
    stays.connect();
    const { client: id } = await connected.at(0);
    const [left, kept] = [goes.events('disconnected'), stays.events('disconnected')];
    await shared.api('disconnect', { user, whitelist: [id] });
    assert.equal((await left.at(0)).code, 3503);
    await assert.rejects(stays.rpc('', build.write({})), { code: 108 });
    assert.deepEqual(kept.all, []);
  });

  test(`${build.name}: a backend ends a session by refresh with 3005`, async (t) => {
    const user = `refreshed-${build.name}`;
    const client = await connect(t, build, { user });
    const connecting = client.events('connecting');
    await shared.api('refresh', { user, expired: true });
    assert.equal((await connecting.at(0)).code, 3005);
  });
}

test('a node without anonymous clients asks for a token', async (t) => {
  const node = await start(t, { env: { RINGPOST_CLIENT__ALLOW_ANONYMOUS_CONNECT_WITHOUT_TOKEN: 'false' } });
  const client = makeClient(t, BUILDS[0], { node, user: null });
  const disconnected = client.events('disconnected');
  client.connect();
  assert.equal((await disconnected.at(0)).code, 3501);
});

test('a user with too many connections is told 3504, wherever they are', async (t) => {
  const node = await start(t, { env: { RINGPOST_CLIENT__USER_CONNECTION_LIMIT: '2' } });
  for (const build of BUILDS) await connect(t, build, { node });
  for (let attempt = 0; attempt < 4; attempt += 1) {
    const client = makeClient(t, BUILDS[attempt % 2], { node });
    const disconnected = client.events('disconnected');
    client.connect();
    assert.equal((await disconnected.at(0)).code, 3504);
  }
  await connect(t, BUILDS[0], { node, user: 'somebody else' });
});

test('connections of a user are listed for the backend', async (t) => {
  const clients = [];
  for (const build of BUILDS) clients.push(await connect(t, build, { user: 'listed', name: `app-${build.name}` }));
  const { connections } = await shared.api('connections', { user: 'listed' });
  assert.equal(Object.keys(connections).length, 2);
});
