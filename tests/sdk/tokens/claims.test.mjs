// The claims in docs/TOKENS.md: each grants what the guide says.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Lines } from '../doors/raw.mjs';
import { Guide } from '../guide.mjs';
import { channel } from '../js/clients.mjs';
import { shared, start } from '../js/node.mjs';
import { inSeconds, sign } from '../js/tokens.mjs';
import { until } from '../js/wait.mjs';

/** The claims that the table below a heading explains. */
function claims(heading) {
  const rows = new Guide('docs/TOKENS.md').table(heading);
  return rows.flatMap(([names]) => [...names.matchAll(/`(\w+)`/g)].map(([, name]) => name));
}

const base64 = (text) => Buffer.from(text).toString('base64');

/** A client, and the reply to its connect command with a token of these claims. */
async function connect(t, given, node = shared) {
  const client = new Lines(t, node);
  const reply = await client.call('connect', { token: sign({ sub: '42', ...given }) });
  return { client, reply, welcome: reply.connect };
}

/** The reply of the user 42 to a subscribe command with a token of these claims. */
async function subscribe(t, given, room = `$${channel('chat')}`, node = shared) {
  const { client, welcome } = await connect(t, {}, node);
  const token = sign({ sub: '42', channel: room, ...(typeof given === 'function' ? given(welcome) : given) });
  const reply = await client.call('subscribe', { channel: room, token });
  return { client, room, welcome, reply, terms: reply.subscribe };
}

/** How others see a client in a room where it is. */
const seen = async ({ client, welcome }, room) => (await client.call('presence', { channel: room })).presence.presence[welcome.client];

/** The node ends the client's connection with this code. */
const ended = (client, code) => until(() => client.lines.some(({ push }) => push?.disconnect?.code === code), `an end with ${code}`);

/** The rooms with which a token's claims welcome the client, without the personal one that the configuration adds. */
async function rooms(t, given) {
  const { 'personal:#42': _, ...subs } = (await connect(t, given)).welcome.subs;
  return subs;
}

/** What a node that expects `iss` and `aud` makes of one claim in both kinds of token. */
async function expected(t, setting, wanted, given) {
  const node = await start(t, { env: { [`RINGPOST_CLIENT__TOKEN__${setting}`]: wanted } });
  for (const value of given) {
    const client = new Lines(t, node);
    const claim = { AUDIENCE: 'aud', ISSUER: 'iss' }[setting];
    assert.ok((await client.call('connect', { token: sign({ sub: '42', [claim]: value }) })).connect);
    const token = sign({ sub: '42', channel: '$chat:a', [claim]: value });
    assert.ok((await client.call('subscribe', { channel: '$chat:a', token })).subscribe);
  }
}

/** Terms of one subscription, by a subscription token and by a connection token. */
async function onTerms(t, terms, look) {
  const subscribed = await subscribe(t, terms);
  await look({ ...subscribed, reply: subscribed.terms });
  const room = `$${channel('chat')}`;
  const connected = await connect(t, { subs: { [room]: terms } });
  await look({ ...connected, room, reply: connected.welcome.subs[room] });
}

const CHECKS = {
  'Claims of both kinds': {
    async sub(t) {
      const room = channel('chat');
      assert.equal((await seen(await connect(t, { channels: [room] }), room)).user, '42');
      const nobody = await connect(t, { sub: undefined, channels: [room] });
      assert.equal((await seen(nobody, room)).user, '');
    },
    async exp(t) {
      assert.ok((await connect(t, { exp: inSeconds(60) })).welcome.ttl <= 60);
      assert.ok((await subscribe(t, { exp: inSeconds(60) })).terms.ttl <= 60);
      assert.equal((await connect(t, {})).welcome.expires, undefined);
      assert.equal((await subscribe(t, {})).terms.expires, undefined);
    },
    async expire_at(t) {
      const given = { exp: inSeconds(60), expire_at: inSeconds(86_400) };
      assert.ok((await connect(t, given)).welcome.ttl > 86_000);
      assert.ok((await subscribe(t, given)).terms.ttl > 86_000);
      assert.equal((await connect(t, { ...given, expire_at: 0 })).welcome.expires, undefined);
    },
    async nbf(t) {
      assert.ok((await connect(t, { nbf: inSeconds(-60) })).welcome);
      const { error } = (await connect(t, { nbf: inSeconds(60) })).reply;
      assert.deepEqual([error.code, error.temporary], [101, true]);
    },
    aud: (t) => expected(t, 'AUDIENCE', 'chat', ['chat', ['mail', 'chat']]),
    iss: (t) => expected(t, 'ISSUER', 'app', ['app']),
    async iat(t) {
      const sub = channel('');
      const older = await connect(t, { sub, iat: inSeconds(-60) });
      const undated = await connect(t, { sub });
      const newer = await connect(t, { sub, iat: inSeconds(0) });
      await shared.api('tokens_revoke', { user: sub, issued_before: inSeconds(-30) });
      await Promise.all([older, undated].map(({ client }) => ended(client, 3500)));
      assert.ok((await newer.client.call('ping', {})).ping);
    },
    async jti(t) {
      const jti = channel('');
      const { client } = await connect(t, { jti });
      await shared.api('tokens_revoke', { id: jti });
      await ended(client, 3500);
      const again = new Lines(t, shared);
      again.call('connect', { token: sign({ sub: '42', jti }) }).catch(() => {});
      await ended(again, 3500);
      assert.ok((await connect(t, { jti: channel('') })).welcome);
    },
  },
  'Claims of a connection token': {
    async info(t) {
      const room = channel('chat');
      const client = await connect(t, { info: { name: 'Ada' }, channels: [room] });
      assert.deepEqual((await seen(client, room)).conn_info, { name: 'Ada' });
      await client.client.call('publish', { channel: room, data: 1 });
      assert.deepEqual((await client.client.push('pub')).pub.info.conn_info, { name: 'Ada' });
    },
    async b64info(t) {
      const room = channel('chat');
      const client = await connect(t, { info: { name: 'Ada' }, b64info: base64('{"name":"Bob"}'), channels: [room] });
      assert.deepEqual((await seen(client, room)).conn_info, { name: 'Bob' });
    },
    async channels(t) {
      const names = [channel('chat'), `$${channel('locked')}`];
      assert.deepEqual(Object.keys(await rooms(t, { channels: names })).sort(), names.sort());
    },
    async subs(t) {
      const name = `$${channel('chat')}`;
      assert.deepEqual((await rooms(t, { subs: { [name]: { data: { seat: 7 } } } }))[name].data, { seat: 7 });
    },
    async device(t) {
      const user = channel('');
      await connect(t, { sub: user, device: 'a phone', meta: { device: 'another' } });
      const { connections } = await shared.api('connections', { user });
      assert.equal(Object.values(connections)[0].device, 'a phone');
    },
    async device_kind(t) {
      const user = channel('');
      await connect(t, { sub: user, device_kind: 'phone' });
      const { connections } = await shared.api('connections', { user });
      assert.equal(Object.values(connections)[0].device_kind, 'phone');
    },
    async meta(t) {
      const user = channel('');
      await connect(t, { sub: user, meta: { device: 'phone', plan: 'free' } });
      const { connections } = await shared.api('connections', { user });
      assert.equal(Object.values(connections)[0].device, 'phone');
    },
  },
  'Claims of a subscription token': {
    async channel(t) {
      for (const room of [`$${channel('chat')}`, channel('locked'), `${channel('users')}#43`]) {
        assert.ok((await subscribe(t, {}, room)).terms, room);
      }
    },
    async client(t) {
      assert.ok((await subscribe(t, (welcome) => ({ client: welcome.client }))).terms);
    },
  },
  'Terms of one subscription': {
    info: (t) => onTerms(t, { info: { role: 'owner' } }, async (client) => {
      assert.deepEqual((await seen(client, client.room)).chan_info, { role: 'owner' });
    }),
    b64info: (t) => onTerms(t, { b64info: base64('{"role":"guest"}') }, async (client) => {
      assert.deepEqual((await seen(client, client.room)).chan_info, { role: 'guest' });
    }),
    data: (t) => onTerms(t, { data: { seat: 7 } }, ({ reply }) => assert.deepEqual(reply.data, { seat: 7 })),
    b64data: (t) => onTerms(t, { b64data: base64('{"seat":8}') }, ({ reply }) => assert.deepEqual(reply.data, { seat: 8 })),
    async override(t) {
      const override = (name, value) => ({ override: { [name]: { value } } });
      await onTerms(t, override('presence', false), async (client) => assert.equal(await seen(client, client.room), undefined));
      await onTerms(t, override('force_push_join_leave', false), async ({ client, room }) => {
        const later = await subscribe(t, {}, room);
        await later.client.call('publish', { channel: room, data: 1 });
        await client.push('pub');
        assert.ok(!client.lines.some(({ push }) => push?.join?.info.client === later.welcome.client));
      });
      await onTerms(t, override('force_recovery', false), ({ reply }) => assert.equal(reply.recoverable, undefined));
      await onTerms(t, override('force_positioning', true), ({ reply }) => assert.equal(reply.positioned, true));
      // What the others hear.
      const room = channel('chat');
      const { client } = await connect(t, { channels: [room] });
      await subscribe(t, override('join_leave', false), room);
      await subscribe(t, { info: { last: true } }, room);
      const joins = await until(() => client.lines.flatMap(({ push }) => push?.join?.info ?? []).slice(-1), 'a join');
      assert.deepEqual(joins.map((info) => info.chan_info), [{ last: true }]);
    },
  },
};

for (const [heading, checks] of Object.entries(CHECKS)) {
  test(heading, { timeout: 60_000 }, async (t) => {
    for (const [name, check] of Object.entries(checks)) await t.test(name, check);
  });
}

test('the guide explains these claims and no others', () => {
  const terms = Object.keys(CHECKS['Terms of one subscription']);
  for (const [heading, checks] of Object.entries(CHECKS)) {
    // The table of subscription tokens names the terms again, which have a table of their own.
    const shared = heading === 'Claims of a subscription token' ? terms : [];
    assert.deepEqual(claims(heading).filter((name) => !shared.includes(name)), Object.keys(checks), heading);
  }
});
