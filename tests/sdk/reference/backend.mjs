// What backends call, alike on every server: what Centrifugo says to it is recorded.
import { connectionToken } from '../js/tokens.mjs';

const METHODS = ['publish', 'broadcast', 'subscribe', 'unsubscribe', 'disconnect', 'refresh', 'presence', 'presence_stats', 'history', 'history_remove', 'channels', 'info'];

export const calls = {
  async 'every method without a field'(world) {
    for (const method of METHODS) await world.api(method, {});
  },

  async 'fields that are null are as if left out'(world) {
    await world.api('publish', { channel: 'asked:nulls', data: 1, tags: null, skip_history: null, idempotency_key: null, b64data: null });
    await world.api('history', { channel: 'asked:nulls', limit: null, since: null, reverse: null });
    await world.api('presence', { channel: null });
    await world.api('channels', { pattern: null });
  },

  async 'a body that is none'(world) {
    for (const body of ['', 'null', '[]', '[1]', '7', '"x"', '{', '{}x', '{"channel":7}', '{"channel":"plain:a","data":}', '{"channel":"plain:a","unknown":1,"data":1}']) {
      await world.api('publish', body);
    }
  },

  async 'publishes of a backend without data, and of null'(world) {
    const ada = await world.client('ada', { token: connectionToken('ada') });
    await ada.send({ id: 2, subscribe: { channel: 'asked:empty' } });
    await world.api('publish', { channel: 'asked:empty' });
    await ada.hears();
    await world.api('publish', { channel: 'asked:empty', data: null });
    await ada.hears();
    await world.api('publish', { channel: 'asked:empty', b64data: '' });
    await ada.hears();
    await world.api('publish', { channel: 'asked:empty', b64data: '!' });
    await world.api('broadcast', { channels: ['asked:empty'] });
    await world.api('broadcast', { channels: ['asked:empty', 'nowhere:a', ''], data: 1 });
    await world.api('history', { channel: 'asked:empty', limit: 10 });
  },

  async 'history from every place'(world) {
    let answer;
    for (let n = 1; n <= 8; n += 1) answer = await world.api('publish', { channel: 'asked:api', data: n });
    const { epoch } = answer.result;
    for (const reverse of [false, true]) {
      for (const offset of [0, 1, 2, 3, 4, 7, 8, 9]) await world.api('history', { channel: 'asked:api', limit: 10, since: { offset, epoch }, reverse });
      await world.api('history', { channel: 'asked:api', limit: 10, since: { offset: 5, epoch: 'other' }, reverse });
      await world.api('history', { channel: 'asked:api', limit: 10, since: { offset: 5 }, reverse });
      await world.api('history', { channel: 'asked:api', limit: 10, since: {}, reverse });
    }
    await world.api('history', { channel: 'asked:api' });
    await world.api('history', { channel: 'asked:api', limit: -1 });
    await world.api('history_remove', { channel: 'asked:api' });
    await world.api('history', { channel: 'asked:api', limit: -1 });
    await world.api('history', { channel: 'asked:api', limit: 10, since: { offset: 8, epoch } });
    await world.api('history', { channel: 'asked:api', limit: 10, since: { offset: 7, epoch } });
    await world.api('history', { channel: 'asked:never', limit: 10 });
    await world.api('publish', { channel: 'asked:api', data: 9 });
  },

  async 'channels that do not exist or do not keep'(world) {
    for (const method of ['publish', 'subscribe', 'unsubscribe', 'presence', 'presence_stats', 'history', 'history_remove']) {
      for (const channel of ['nowhere:a', 'plain:a', '$private', 'a b', 'naïve', 'x'.repeat(300)]) await world.api(method, { channel, user: 'nobody', data: 1 });
    }
  },

  async 'clients and sessions that are none'(world) {
    const ada = await world.client('ada', { token: connectionToken('ada') });
    for (const narrow of [{ client: 'none' }, { session: 'none' }, { client: 'none', session: 'none' }]) {
      await world.api('subscribe', { user: 'ada', channel: 'plain:narrow', ...narrow });
      await world.api('unsubscribe', { user: 'ada', channel: 'plain:narrow', ...narrow });
      await world.api('refresh', { user: 'ada', expired: true, ...narrow });
      await world.api('disconnect', { user: 'ada', ...narrow });
      await ada.hears();
    }
    await world.api('disconnect', { user: 'ada', whitelist: ['none', ada.client] });
    await ada.hears();
    await world.api('disconnect', { user: 'ada', client: ada.client });
    await ada.end();
  },

  async 'codes of disconnects'(world) {
    for (const code of [0, 3000, 3001, 3500, 4999]) {
      const name = `code${code}`;
      const one = await world.client(name, { token: connectionToken(name) });
      await world.api('disconnect', { user: name, disconnect: { code, reason: 'why' } });
      await one.end();
    }
    for (const code of [0, 1, 1000, 2999, 3000, 5000]) await world.api('disconnect', { user: 'nobody', disconnect: { code, reason: 'why' } });
    await world.api('disconnect', { user: 'nobody', disconnect: { code: 4000, reason: 'x'.repeat(200) } });
    await world.api('disconnect', { user: 'nobody', disconnect: {} });
    await world.api('disconnect', { user: 'nobody', disconnect: { code: 4000, reason: 'r', reconnect: true } });
  },

  async 'patterns of channels'(world) {
    const ada = await world.client('ada', { token: connectionToken('ada') });
    const names = ['plain:pat1', 'plain:pat2', 'plain:pax', 'plain:pa[b]', 'plain:pa*', 'plain:pa{c}', 'asked:pat1'];
    for (const [at, channel] of names.entries()) await ada.send({ id: 2 + at, subscribe: { channel } });
    for (const pattern of ['plain:pa*', '*:pat1', 'plain:pat?', 'plain:pa?', 'plain:pat[12]', 'plain:pat[!1]', 'plain:pat[^1]', 'plain:pat[0-1]', 'plain:{pat1,pax}',
      '{plain,asked}:pat1', 'plain:pa\\*', 'plain:pa\\[b\\]', 'plain:pat1', 'nothing', '{*:pat1,plain:pax}', 'plain:pat[']) {
      await world.api('channels', { pattern });
    }
  },

  async 'a batch, in which some commands are bad'(world) {
    const publish = (n) => ({ publish: { channel: 'asked:batch', data: n } });
    await world.api('batch', { commands: [publish(1), { publish: {} }, { fly: {} }, {}, { publish: { channel: 'nowhere:a', data: 1 } }, publish(2)] });
    await world.api('batch', { commands: [publish(3), null, publish(4)] });
    await world.api('batch', { commands: [publish(5), { publish: { channel: 7 } }, publish(6)] });
    await world.api('batch', { commands: [publish(7), 7] });
    await world.api('batch', { commands: [{ ...publish(8), info: {} }] });
    await world.api('batch', { commands: [{ publish: null, presence_stats: { channel: 'asked:batch' } }] });
    await world.api('batch', { commands: [] });
    await world.api('batch', {});
    await world.api('batch', { commands: [publish(9), { history: { channel: 'asked:batch', limit: 1, reverse: true } }], parallel: false });
    await world.api('batch', { commands: [{ broadcast: { channels: [], data: 1 } }, { unsubscribe: { channel: 'plain:a' } }] });
  },

  async 'calls as lines of method and params'(world) {
    const line = (method, params, more) => JSON.stringify({ method, params, ...more });
    await world.api('', line('publish', { channel: 'asked:lines', data: 1 }));
    await world.api('', line('publish', { channel: 'asked:lines', data: 2 }, { id: 7 }));
    await world.api('', [line('publish', { channel: 'asked:lines', data: 3 }), line('history', { channel: 'asked:lines', limit: 10 }), ''].join('\n'));
    await world.api('', [line('publish', { channel: 'nowhere:a', data: 1 }), line('publish', { data: 1 }), line('publish', { channel: 7 }), line('presence_stats', { channel: 'asked:lines' })].join('\n'));
    await world.api('', line('publish', { channel: 'asked:lines', data: 4 }) + line('publish', { channel: 'asked:lines', data: 5 }));
    await world.api('', line('publish'));
    await world.api('', line('info'));
    await world.api('', line('channels', { pattern: 'nothing' }));
    await world.api('', line('PUBLISH', { channel: 'asked:lines', data: 6 }));
    await world.api('', line('rpc', { method: 'm' }));
    for (const body of ['', '[]', 'null', '{}', '7']) await world.api('', body);
    for (const method of METHODS) await world.api('', line(method, {}));
    await world.api('', line('history', { channel: 'asked:lines', limit: 20 }));
  },

  async 'lines that are no calls'(world) {
    const line = (method, params) => JSON.stringify({ method, params });
    const publish = line('publish', { channel: 'plain:lines', data: 1 });
    await world.api('', line('fly', {}));
    await world.api('', `${publish}\n${line('fly', {})}`);
    await world.api('', `${publish}\n{`);
    await world.api('', line('batch', { commands: [] }));
    await world.api('', line(9, {}));
    await world.api('', line(99, {}));
    await world.api('', line(undefined, { channel: 'plain:lines', data: 1 }));
  },

  async 'the key of the API in every place'(world) {
    const body = { channel: 'plain:key', data: 1 };
    await world.api('publish', body, { headers: {} });
    await world.api('publish', body, { headers: { 'X-API-Key': 'wrong' } });
    await world.api('publish', body, { headers: { Authorization: 'apikey sdk-key' } });
    await world.api('publish', body, { headers: { Authorization: 'APIKEY sdk-key' } });
    await world.api('publish', body, { headers: { Authorization: 'Bearer sdk-key' } });
    await world.api('publish', body, { headers: {}, query: '?api_key=sdk-key' });
    await world.api('publish', body, { headers: {}, query: '?api_key=wrong' });
    await world.api('publish', body, { headers: {}, query: '?other=1&api_key=sdk%2Dkey' });
    await world.api('publish', body, { headers: { 'X-API-Key': 'wrong' }, query: '?api_key=sdk-key' });
    await world.api('publish', body, { headers: { 'X-API-Key': 'wrong', Authorization: 'apikey sdk-key' } });
    await world.api('', JSON.stringify({ method: 'info', params: {} }), { headers: {} });
  },

  async 'errors as statuses where the caller wants them so'(world) {
    const headers = { 'X-API-Key': 'sdk-key', 'X-Centrifugo-Error-Mode': 'transport' };
    await world.api('publish', { channel: 'plain:mode', data: 1 }, { headers });
    await world.api('publish', { channel: 'nowhere:a', data: 1 }, { headers });
    await world.api('publish', {}, { headers });
    await world.api('presence', { channel: 'plain:mode' }, { headers });
    await world.api('publish', { channel: 'asked:mode', data: 1 }, { headers });
    await world.api('history', { channel: 'asked:mode', limit: 1, since: { offset: 1, epoch: 'other' } }, { headers });
    await world.api('batch', { commands: [{ publish: { channel: 'nowhere:a', data: 1 } }] }, { headers });
    await world.api('broadcast', { channels: ['nowhere:a'], data: 1 }, { headers });
    await world.api('broadcast', { channels: [], data: 1 }, { headers });
    await world.api('', JSON.stringify({ method: 'publish', params: { channel: 'nowhere:a', data: 1 } }), { headers });
    await world.api('publish', { channel: 'nowhere:a', data: 1 }, { headers: { ...headers, 'X-Centrifugo-Error-Mode': 'other' } });
  },

  async 'the same idempotency key again'(world) {
    await world.api('publish', { channel: 'asked:once', data: 1, idempotency_key: 'k' });
    await world.api('publish', { channel: 'asked:once', data: 2, idempotency_key: 'k' });
    await world.api('publish', { channel: 'plain:once', data: 1, idempotency_key: 'k' });
    await world.api('publish', { channel: 'plain:once', data: 2, idempotency_key: 'k' });
    await world.api('publish', { channel: 'plain:once', data: 3, idempotency_key: 'x'.repeat(300) });
    await world.api('history', { channel: 'asked:once', limit: 10 });
  },

  async 'presence, and what tokens and backends say of clients'(world) {
    const ada = await world.client('ada', { token: connectionToken('ada', { info: { name: 'Ada' } }) });
    await ada.send({ id: 2, subscribe: { channel: 'asked:there' } });
    await world.api('presence', { channel: 'asked:there' });
    await world.api('presence_stats', { channel: 'asked:there' });
    await world.api('subscribe', { user: 'ada', channel: 'forced:there', info: { seat: 1 } });
    await ada.hears();
    await world.api('presence', { channel: 'forced:there' });
    await world.api('presence', { channel: 'asked:nobody' });
    await world.api('subscribe', { user: 'ada', channel: 'asked:hidden', override: { presence: { value: false } } });
    await world.api('presence', { channel: 'asked:hidden' });
    await world.api('subscribe', { user: 'ada', channel: 'asked:b64', b64info: 'eyJhIjoxfQ==', b64data: 'eyJiIjoyfQ==' });
    await ada.hears();
    await world.api('presence', { channel: 'asked:b64' });
    await world.api('subscribe', { user: '', channel: 'asked:b64' });
    await world.api('subscribe', { user: 'nobody', channel: 'asked:b64', expire_at: 1 });
    await world.api('subscribe', { user: 'ada', channel: 'asked:past', expire_at: 1 });
    await ada.hears();
  },
};
