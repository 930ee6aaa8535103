// The table of mistakes in docs/TOKENS.md: each is made, where it can be, and gets the code that stands there.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Lines } from '../doors/raw.mjs';
import { Guide } from '../guide.mjs';
import { start } from '../js/node.mjs';
import { inSeconds, part, sign } from '../js/tokens.mjs';
import { until } from '../js/wait.mjs';

const CHANNEL = '$chat:team';
/** The id of a token that was revoked. */
const REVOKED = 'stolen';
const SETTINGS = {
  RINGPOST_CLIENT__TOKEN__AUDIENCE: 'chat',
  RINGPOST_CLIENT__TOKEN__ISSUER: 'app',
  RINGPOST_CLIENT__DISALLOW_ANONYMOUS_CONNECTION_TOKENS: 'true',
};

/** Claims that are right, of a connection token or, with a channel, of a subscription token. */
const right = (channel) => ({ sub: '42', exp: inSeconds(600), aud: 'chat', iss: 'app', ...(channel && { channel }) });

const claiming = (wrong) => (channel) => sign({ ...right(channel), ...wrong(channel) });

/** How each mistake is made; given a channel, in a subscription token. */
const MISTAKES = {
  'it is no JWT: not three parts, or base64 with padding': (channel) => `${sign(right(channel))}=`,
  'signed with another secret': (channel) => sign(right(channel), 'another secret'),
  'an algorithm that no key is configured for, or `none`': (channel) => `${part({ alg: 'none' })}.${part(right(channel))}.`,
  'longer than 16 KiB': claiming(() => ({ padding: 'x'.repeat(16_384) })),
  '`exp` has passed': claiming(() => ({ exp: inSeconds(-10) })),
  '`exp` is a string that is no number': claiming(() => ({ exp: 'in ten minutes' })),
  '`expire_at` has passed': claiming(() => ({ expire_at: inSeconds(-10) })),
  '`nbf` is to come': claiming(() => ({ nbf: inSeconds(60) })),
  '`aud` is missing, or another': claiming(() => ({ aud: undefined })),
  '`iss` is missing, or another': claiming(() => ({ iss: 'another' })),
  '`sub` is a number': claiming(() => ({ sub: 42 })),
  '`sub` is another user': claiming(() => ({ sub: '43' })),
  'it was revoked': claiming(() => ({ jti: REVOKED })),
  'a claim comes twice': (channel) => sign(JSON.stringify(right(channel)).replace('{', '{"sub":"42",')),
  '`b64info` is no base64': claiming(() => ({ b64info: '*' })),
  'a token of the other kind': (channel) => sign(right(channel ? undefined : CHANNEL)),
  '`channel` is another than the client asks for': claiming(() => ({ channel: '$chat:other' })),
  '`client` is another connection': claiming(() => ({ client: '58486ad4-66be-4610-a6a1-7a76580677fb' })),
  '`channels` names a namespace that is not configured': claiming(() => ({ channels: ['nowhere:1'] })),
  '`channels` names more than `client.channel_limit`': claiming(() => ({ channels: Array.from({ length: 17 }, (_, n) => `chat:${n}`) })),
  'no `sub`, with `client.disallow_anonymous_connection_tokens`': claiming(() => ({ sub: undefined })),
};

/** What a client hears of a command: the code of an error or of an ending, or that it was taken. */
async function outcome(client, verb, body) {
  const id = client.id + 1;
  // Nothing answers a command that ends the connection.
  client.call(verb, body).catch(() => {});
  const heard = await until(() => client.lines.find((line) => line.id === id || line.push?.disconnect), `what comes of ${verb}`);
  return String(heard.error?.code ?? heard.push?.disconnect.code ?? 'taken');
}

/** Where a token is given, with what must have gone before. */
const PLACES = {
  connect: (client, mistake) => outcome(client, 'connect', { token: mistake() }),
  async refresh(client, mistake) {
    await client.call('connect', { token: sign(right()) });
    return outcome(client, 'refresh', { token: mistake() });
  },
  async subscribe(client, mistake) {
    await client.call('connect', { token: sign(right()) });
    return outcome(client, 'subscribe', { channel: CHANNEL, token: mistake(CHANNEL) });
  },
  async sub_refresh(client, mistake) {
    await client.call('connect', { token: sign(right()) });
    await client.call('subscribe', { channel: CHANNEL, token: sign(right(CHANNEL)) });
    return outcome(client, 'sub_refresh', { channel: CHANNEL, token: mistake(CHANNEL) });
  },
};

test('every mistake of the guide gets the code that the guide says', { timeout: 90_000 }, async (t) => {
  const node = await start(t, { env: SETTINGS });
  await node.api('tokens_revoke', { id: REVOKED });
  const rows = new Guide('docs/TOKENS.md').table('Mistakes');
  assert.deepEqual(rows.map(([mistake]) => mistake), Object.keys(MISTAKES));
  for (const [mistake, ...codes] of rows) {
    await t.test(mistake, async (t) => {
      for (const [at, place] of Object.keys(PLACES).entries()) {
        if (codes[at] === '–') continue;
        const heard = await PLACES[place](new Lines(t, node), MISTAKES[mistake]);
        assert.equal(heard, codes[at], place);
      }
    });
  }
});

test('a token without a mistake is taken everywhere', async (t) => {
  const node = await start(t, { env: SETTINGS });
  for (const [place, give] of Object.entries(PLACES)) {
    assert.equal(await give(new Lines(t, node), (channel) => sign(right(channel))), 'taken', place);
  }
});
