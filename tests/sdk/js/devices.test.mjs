// A user's devices: who is sent away, replaced or refused, and stays away; tokens that are revoked.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BUILDS, connect, makeClient } from './clients.mjs';
import { start } from './node.mjs';
import { inSeconds } from './tokens.mjs';
import { until } from './wait.mjs';

const KINDS = '[{ name = "phone", stay = "newest" }, { name = "page", stay = "oldest" }]';
const limited = (t) => start(t, { env: { RINGPOST_CLIENT__DEVICES__KINDS: KINDS } });
const on = (device, device_kind) => ({ device, device_kind });

for (const build of BUILDS) {
  test(`${build.name}: the older phone is sent away and stays away`, async (t) => {
    const node = await limited(t);
    const old = await connect(t, build, { node, claims: on('a', 'phone') });
    const disconnected = old.events('disconnected');
    await connect(t, build, { node, claims: on('b', 'phone') });
    assert.deepEqual(await disconnected.at(0), { code: 4501, reason: 'another device' });
    assert.equal(old.state, 'disconnected');
    await until(async () => await node.metric('ringpost_closes_total', { code: '4501' }) === 1, 'it is counted');
  });

  test(`${build.name}: a second page is refused and stays away`, async (t) => {
    const node = await limited(t);
    await connect(t, build, { node, claims: on('a', 'page') });
    const second = makeClient(t, build, { node, claims: on('b', 'page') });
    const disconnected = second.events('disconnected');
    second.connect();
    assert.deepEqual(await disconnected.at(0), { code: 4503, reason: 'device limit' });
    assert.equal(second.state, 'disconnected');
  });

  test(`${build.name}: a phone that comes back replaces itself and sends nobody away`, async (t) => {
    const node = await limited(t);
    const page = await connect(t, build, { node, claims: on('b', 'page') });
    const first = await connect(t, build, { node, claims: on('a', 'phone') });
    const disconnected = first.events('disconnected');
    const again = await connect(t, build, { node, claims: on('a', 'phone') });
    assert.equal((await disconnected.at(0)).code, 4502);
    again.cut();
    await until(() => again.state === 'connecting', 'the loss is seen');
    await again.ready();
    assert.equal(page.state, 'connected');
  });

  test(`${build.name}: a revoked token ends its client, which stays away, and a newer one connects`, async (t) => {
    const node = await start(t);
    const client = await connect(t, build, { node, user: 'eve', claims: { iat: inSeconds(-60) } });
    const disconnected = client.events('disconnected');
    await node.api('tokens_revoke', { user: 'eve', issued_before: inSeconds(-30) });
    assert.deepEqual(await disconnected.at(0), { code: 3500, reason: 'invalid token' });
    const again = makeClient(t, build, { node, user: 'eve', claims: { iat: inSeconds(-60) } });
    const refused = again.events('disconnected');
    again.connect();
    assert.equal((await refused.at(0)).code, 3500);
    await connect(t, build, { node, user: 'eve', claims: { iat: inSeconds(0) } });
  });
}
