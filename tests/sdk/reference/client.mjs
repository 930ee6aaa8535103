// What clients say, alike to every server. The Go library decides all of it: there are no tokens but HMAC ones.
import { connectionToken, inSeconds, sign, subscriptionToken } from '../js/tokens.mjs';

const as = (user, claims) => ({ token: connectionToken(user, claims) });

/** Publishes the numbers 1 to `count` and gives the epoch. */
async function fill(world, channel, count) {
  let answer;
  for (let n = 1; n <= count; n += 1) answer = await world.api('publish', { channel, data: { n } });
  return answer.result.epoch;
}

export const conversations = {
  async 'a client connects, subscribes, publishes and leaves'(world) {
    const ada = await world.client('ada', as('ada', { info: { name: 'Ada' } }));
    await ada.send({ id: 2, subscribe: { channel: 'asked:talk' } });
    const bob = await world.client('bob', as('bob'));
    await bob.send({ id: 2, subscribe: { channel: 'asked:talk', join_leave: true } });
    await ada.send({ id: 3, publish: { channel: 'asked:talk', data: { text: 'hi' } } });
    await bob.hears();
    await ada.send({ id: 4, presence: { channel: 'asked:talk' } });
    await ada.send({ id: 5, presence_stats: { channel: 'asked:talk' } });
    await ada.send({ id: 6, unsubscribe: { channel: 'asked:talk' } });
    await bob.hears();
    await ada.send({ id: 7, unsubscribe: { channel: 'asked:talk' } });
    await ada.send({ id: 8, publish: { channel: 'plain:talk', data: 1 } });
    await bob.send({ id: 3, subscribe: { channel: 'asked:talk' } });
  },

  async 'an anonymous client may do what its namespace lets it do'(world) {
    const guest = await world.client('guest');
    await guest.send({ id: 2, subscribe: { channel: 'asked:guests' } });
    await guest.send({ id: 3, publish: { channel: 'plain:guests', data: 1 } });
    await guest.send({ id: 4, history: { channel: 'asked:guests', limit: 1 } });
    await guest.send({ id: 5, presence: { channel: 'asked:guests' } });
    await guest.send({ id: 6, presence_stats: { channel: 'asked:guests' } });
  },

  async 'commands that cannot be done are refused'(world) {
    const ada = await world.client('ada', as('ada'));
    await ada.send({ id: 2, subscribe: { channel: 'nowhere:a' } });
    await ada.send({ id: 3, subscribe: { channel: 'locked:a' } });
    await ada.send({ id: 4, publish: { channel: 'locked:a', data: 1 } });
    await ada.send({ id: 5, publish: { channel: 'nowhere:a', data: 1 } });
    await ada.send({ id: 6, history: { channel: 'plain:a', limit: 1 } });
    await ada.send({ id: 7, presence: { channel: 'plain:a' } });
    await ada.send({ id: 8, presence_stats: { channel: 'plain:a' } });
    await ada.send({ id: 9, rpc: { method: 'm', data: {} } });
    await ada.send({ id: 10, history: { channel: 'nowhere:a' } });
    await ada.send({ id: 11, unsubscribe: { channel: 'nowhere:a' } });
    await ada.send({ id: 12, subscribe: { channel: 'locked:a', token: 'x' } });
    await ada.send({ id: 13, ping: {} });
    await ada.send('{"send":{"data":{}}}');
  },

  async 'a channel named empty'(world) {
    for (const verb of ['subscribe', 'publish', 'presence', 'presence_stats', 'history', 'unsubscribe', 'sub_refresh']) {
      const client = await world.client(verb, as('ada'));
      await client.send({ id: 2, [verb]: { channel: '', ...(verb === 'publish' && { data: 1 }) } });
      await client.leave();
    }
  },

  async 'a publish without data, and one of null'(world) {
    const ada = await world.client('ada', as('ada'));
    await ada.send({ id: 2, subscribe: { channel: 'asked:null' } });
    await ada.send({ id: 3, publish: { channel: 'asked:null', data: null } });
    const bob = await world.client('bob', as('bob'));
    await bob.send({ id: 2, publish: { channel: 'asked:null' } });
  },

  async 'data of every kind goes through as it is'(world) {
    const ada = await world.client('ada', as('ada'));
    await ada.send({ id: 2, subscribe: { channel: 'asked:kinds' } });
    for (const [at, data] of [0, '', 'text', [], {}, false, 1.5, { deep: [{ null: null }] }].entries()) {
      await ada.send({ id: 3 + at, publish: { channel: 'asked:kinds', data } });
    }
    await ada.send({ id: 20, history: { channel: 'asked:kinds', limit: 10 } });
  },

  async 'the first frame is not connect'(world) {
    for (const [name, frame] of Object.entries({
      subscribe: { id: 1, subscribe: { channel: 'plain:a' } }, ping: { id: 1, ping: {} }, empty: '{}', text: 'no json',
      array: '[]', 'no id': '{"connect":{}}', 'no request': '{"id":1}',
    })) {
      const peer = await world.open(name);
      await peer.send(frame);
      if (typeof frame === 'object') await peer.end();
    }
  },

  async 'a connected client says what is no command'(world) {
    for (const [name, frame, ends] of [
      ['again', { id: 2, connect: {} }, true], ['no json', 'no json', true], ['without a request', '{"id":2}', true],
      ['unknown', '{"id":2,"fly":{}}', true], ['no id', '{"subscribe":{"channel":"plain:a"}}', true],
      ['twice', { id: 2, subscribe: { channel: 'plain:a' }, publish: { channel: 'plain:a', data: 1 } }, false],
      ['number', { id: 2, subscribe: { channel: 7 } }, true], ['extra', { id: 2, subscribe: { channel: 'plain:a', fly: [{}] } }, false],
    ]) {
      const client = await world.client(name, as('ada'));
      await client.send(frame);
      if (ends) await client.hears();
    }
  },

  async 'several commands in one frame'(world) {
    const ada = await world.client('ada', as('ada'));
    ada.socket.send('{"id":2,"subscribe":{"channel":"plain:a"}}\n{"id":3,"subscribe":{"channel":"nowhere:a"}}\n');
    await ada.send({ id: 4, publish: { channel: 'plain:a', data: 1 } });
  },

  async 'history by pages, from places, and backwards'(world) {
    const epoch = await fill(world, 'asked:pages', 8);
    const ada = await world.client('ada', as('ada'));
    let id = 1;
    const read = (filter) => ada.send({ id: ++id, history: { channel: 'asked:pages', ...filter } });
    await read({});
    await read({ limit: 0 });
    await read({ limit: -1 });
    await read({ limit: 2 });
    await read({ limit: 2, reverse: true });
    for (const reverse of [false, true]) {
      // 3 publications are gone, 4 to 8 are kept.
      for (const offset of [0, 1, 2, 3, 4, 6, 7, 8, 9, 100]) await read({ limit: 10, since: { offset, epoch }, reverse });
      await read({ limit: 1, since: { offset: 6, epoch }, reverse });
      await read({ limit: 10, since: { offset: 5, epoch: 'other' }, reverse });
      await read({ limit: 10, since: { offset: 0, epoch: 'other' }, reverse });
      await read({ limit: 10, since: { offset: 5 }, reverse });
      await read({ limit: 10, since: { epoch }, reverse });
      await read({ limit: 10, since: {}, reverse });
      await read({ limit: 0, since: { offset: 1, epoch }, reverse });
      await read({ limit: 0, since: { offset: 5, epoch: 'other' }, reverse });
    }
  },

  async 'history of a channel that nobody has used'(world) {
    const ada = await world.client('ada', as('ada'));
    await ada.send({ id: 2, history: { channel: 'asked:fresh', limit: 10 } });
    await ada.send({ id: 3, history: { channel: 'asked:fresh', limit: 10, reverse: true } });
    await ada.send({ id: 4, history: { channel: 'asked:fresh', limit: 10, since: { offset: 3, epoch: 'other' } } });
    await ada.send({ id: 5, history: { channel: 'asked:fresher', limit: 10, since: { offset: 3, epoch: 'other' } } });
  },

  async 'recovery from every place'(world) {
    const epoch = await fill(world, 'asked:recover', 8);
    let clients = 0;
    for (const since of [
      {}, { epoch }, { offset: 0, epoch }, { offset: 2, epoch }, { offset: 3, epoch }, { offset: 4, epoch }, { offset: 7, epoch }, { offset: 8, epoch },
      { offset: 9, epoch }, { offset: 6 }, { offset: 8 }, { offset: 0, epoch: 'other' }, { offset: 6, epoch: 'other' }, { offset: 8, epoch: 'other' },
    ]) {
      clients += 1;
      const client = await world.client(`c${clients}`, as('ada'));
      await client.send({ id: 2, subscribe: { channel: 'asked:recover', recoverable: true, recover: true, ...since } });
      await client.leave();
    }
  },

  async 'recovery where history was removed, or never began'(world) {
    const epoch = await fill(world, 'asked:removed', 3);
    await world.api('history_remove', { channel: 'asked:removed' });
    const one = await world.client('one', as('ada'));
    await one.send({ id: 2, subscribe: { channel: 'asked:removed', recoverable: true, recover: true, offset: 1, epoch } });
    await one.send({ id: 3, subscribe: { channel: 'asked:unused', recoverable: true, recover: true, offset: 1, epoch: 'other' } });
    await one.send({ id: 4, subscribe: { channel: 'asked:unused2', recoverable: true, recover: true } });
    await one.send({ id: 5, subscribe: { channel: 'plain:unused', recover: true, offset: 1, epoch: 'other' } });
    const two = await world.client('two', as('ada'));
    await two.send({ id: 2, subscribe: { channel: 'asked:removed', recoverable: true, recover: true, offset: 3, epoch } });
    await world.api('publish', { channel: 'asked:removed', data: 4 });
    await two.hears();
  },

  async 'what a client asks for of a subscription'(world) {
    const ada = await world.client('ada', as('ada'));
    let id = 1;
    for (const namespace of ['asked', 'forced', 'plain']) {
      for (const wish of [{}, { positioned: true }, { recoverable: true }, { join_leave: true }, { delta: 'fossil' }]) {
        id += 1;
        await ada.send({ id, subscribe: { channel: `${namespace}:wish${id}`, ...wish } });
      }
    }
  },

  async 'recovery of a subscription that is not recoverable'(world) {
    const ada = await world.client('ada', as('ada'));
    await ada.send({ id: 2, subscribe: { channel: 'forced:recover', recover: true } });
    await ada.send({ id: 3, subscribe: { channel: 'plain:recover', recover: true } });
    await ada.send({ id: 4, subscribe: { channel: 'asked:only', recover: true } });
  },

  async 'only the latest is recovered in cache mode'(world) {
    const empty = await world.client('empty', as('ada'));
    await empty.send({ id: 2, subscribe: { channel: 'cache:none', recover: true } });
    const epoch = await fill(world, 'cache:a', 3);
    let clients = 0;
    for (const since of [{}, { offset: 1, epoch }, { offset: 3, epoch }, { offset: 2, epoch: 'other' }, { offset: 3, epoch: 'other' }, { offset: 9, epoch }]) {
      clients += 1;
      const client = await world.client(`c${clients}`, as('ada'));
      await client.send({ id: 2, subscribe: { channel: 'cache:a', recover: true, ...since } });
      await client.leave();
    }
    await empty.send({ id: 3, subscribe: { channel: 'cache:a' } });
  },

  async 'a backend subscribes, publishes and unsubscribes'(world) {
    const ada = await world.client('ada', as('ada'));
    await world.api('subscribe', { user: 'ada', channel: 'plain:led', data: { hello: 1 } });
    await ada.hears();
    await world.api('subscribe', { user: 'ada', channel: 'forced:led' });
    await ada.hears();
    await ada.send({ id: 2, subscribe: { channel: 'plain:led' } });
    await world.api('publish', { channel: 'plain:led', data: 1, tags: { a: 'b' } });
    await ada.hears();
    await world.api('unsubscribe', { user: 'ada', channel: 'plain:led' });
    await ada.hears();
    await world.api('refresh', { user: 'ada', expire_at: 4_102_444_800 });
    await ada.hears();
    await world.api('disconnect', { user: 'ada' });
    await ada.end();
  },

  async 'a backend ends clients with its own code'(world) {
    for (const disconnect of [{ code: 3000, reason: '' }, { code: 4000, reason: 'mine' }, { code: 4501, reason: '' }, { code: 3503, reason: 'x' }]) {
      const ada = await world.client(`u${disconnect.code}`, as(`u${disconnect.code}`));
      await world.api('disconnect', { user: `u${disconnect.code}`, disconnect });
      await ada.end();
    }
  },

  async 'an older version of a publication is dropped'(world) {
    const ada = await world.client('ada', as('ada'));
    await ada.send({ id: 2, subscribe: { channel: 'asked:versions' } });
    await ada.send({ id: 3, subscribe: { channel: 'plain:versions' } });
    for (const channel of ['asked:versions', 'plain:versions']) {
      for (const [version, version_epoch] of [[2, ''], [1, ''], [2, ''], [3, ''], [1, 'e'], [2, 'e'], [2, 'e'], [1, 'e'], [1, ''], [3, ''], [0, ''], [1, 'f']]) {
        await world.api('publish', { channel, data: { version, version_epoch }, version, version_epoch });
        await ada.hears();
      }
    }
    await world.api('publish', { channel: 'asked:versions', data: 'skipped', version: 9, skip_history: true });
    await world.api('publish', { channel: 'asked:versions', data: 'next', version: 8 });
    await world.api('broadcast', { channels: ['asked:versions', 'asked:versions2'], data: 'all', version: 8 });
    await ada.hears();
  },

  async 'every filter over tags, live and when it recovers'(world) {
    const leaf = (key, cmp, val, vals) => ({ key, cmp, ...(val && { val }), ...(vals && { vals }) });
    const not = (node) => ({ op: 'not', nodes: [node] });
    const filters = [
      ...['eq', 'neq', 'sw', 'ew', 'ct', 'gt', 'gte', 'lt', 'lte'].flatMap((cmp) => ['a', 'ab', '10', '-1.5'].map((val) => leaf('k', cmp, val))),
      ...['in', 'nin'].flatMap((cmp) => [['a', 'ab'], ['', '10'], ['x']].map((vals) => leaf('k', cmp, '', vals))),
      leaf('k', 'ex'), leaf('k', 'nex'), leaf('other', 'ex'), leaf('', 'ex'), leaf('k', 'lt', 'word'), leaf('k', 'gt', '9.99999999999999999999'),
      { op: 'and', nodes: [leaf('k', 'ex'), not(leaf('k', 'eq', 'a'))] },
      { op: 'or', nodes: [leaf('k', 'gt', '9'), leaf('other', 'eq', 'b'), { op: 'and', nodes: [leaf('k', 'nex'), leaf('other', 'nex')] }] },
      not({ op: 'or', nodes: [leaf('k', 'sw', 'a'), leaf('k', 'ew', '0')] }),
    ];
    const kinds = [undefined, { k: 'a' }, { k: 'ab' }, { k: '' }, { k: '10' }, { k: '+10.0' }, { k: '-2', other: 'b' }, { other: 'b' }];
    const ada = await world.client('ada', as('ada'));
    let id = 1;
    for (const [at, tf] of filters.entries()) {
      const channel = `tags:${at}`;
      let epoch;
      await ada.send({ id: ++id, subscribe: { channel, tf } });
      for (const [n, tags] of kinds.entries()) epoch = (await world.api('publish', { channel, data: { n }, tags })).result.epoch;
      await ada.hears();
      await ada.send({ id: ++id, unsubscribe: { channel } });
      await ada.send({ id: ++id, subscribe: { channel, recover: true, offset: 2, epoch, tf } });
      await ada.send({ id: ++id, unsubscribe: { channel } });
    }
  },

  async 'the latest of what a filter passes'(world) {
    let epoch;
    for (const [n, k] of ['a', 'b', 'a', 'c'].entries()) epoch = (await world.api('publish', { channel: 'latest:one', data: { n }, tags: { k } })).result.epoch;
    for (const val of ['a', 'c', 'x']) {
      const client = await world.client(val, as('ada'));
      await client.send({ id: 2, subscribe: { channel: 'latest:one', recover: true, offset: 1, epoch, tf: { key: 'k', cmp: 'eq', val } } });
    }
  },

  async 'filters that are none'(world) {
    const good = { key: 'k', cmp: 'eq', val: 'v' };
    const wrong = [
      {}, { cmp: 'eq', val: 'v' }, { key: 'k', cmp: 'is', val: 'v' }, { key: 'k', cmp: 'eq' }, { key: 'k', cmp: 'eq', val: 'v', vals: ['w'] }, { key: 'k', cmp: 'in', vals: [] },
      { key: 'k', cmp: 'in', val: 'v', vals: ['w'] }, { key: 'k', cmp: 'ex', val: 'v' }, { op: 'xor', nodes: [good] }, { op: 'and' }, { op: 'not', nodes: [good, good] }, { op: 'or', nodes: [good, {}] },
    ];
    const ada = await world.client('ada', as('ada'));
    let id = 1;
    for (const tf of wrong) await ada.send({ id: ++id, subscribe: { channel: 'tags:wrong', tf } });
    await ada.send({ id: ++id, subscribe: { channel: 'asked:wrong', tf: good } });
    await ada.send({ id: ++id, subscribe: { channel: 'tags:wrong', tf: null } });
  },

  async 'tokens that end, and are made new'(world) {
    const ada = await world.client('ada', as('ada', { exp: inSeconds(1000) }));
    await ada.send({ id: 2, refresh: { token: connectionToken('ada', { exp: inSeconds(2000) }) } });
    await ada.send({ id: 3, refresh: { token: connectionToken('ada', { exp: inSeconds(-2000) }) } });
    const bob = await world.client('bob', as('bob', { exp: inSeconds(1000) }));
    await bob.send({ id: 2, refresh: { token: connectionToken('ada', { exp: inSeconds(2000) }) } });
    const late = await world.client('late', as('late', { exp: inSeconds(-2000) }));
    await late.hears();
  },
};

/** Conversations that a server's own rules decide, which the library leaves to it. */
export const rules = {
  async 'what else a backend does with subscriptions'(world) {
    const epoch = await fill(world, 'asked:led', 2);
    const ada = await world.client('ada', as('ada'));
    await world.api('subscribe', { user: 'ada', channel: 'asked:led', info: { seat: 1 }, recover_since: { offset: 1, epoch }, override: { force_recovery: { value: true } } });
    await ada.hears();
    await world.api('subscribe', { user: 'ada', channel: 'asked:led' });
    await ada.hears();
    await world.api('unsubscribe', { user: 'ada', channel: '' });
    await ada.hears();
  },

  async 'tokens open channels'(world) {
    const ada = await world.client('ada', as('ada'));
    await ada.send({ id: 2, subscribe: { channel: '$secret' } });
    await ada.send({ id: 3, subscribe: { channel: '$secret', token: subscriptionToken('ada', '$secret') } });
    await ada.send({ id: 4, subscribe: { channel: 'locked:a', token: subscriptionToken('ada', 'locked:a', { info: { seat: 1 } }) } });
    await ada.send({ id: 5, subscribe: { channel: 'locked:b', token: subscriptionToken('ada', 'locked:b', { exp: inSeconds(-100) }) } });
    await ada.send({ id: 6, subscribe: { channel: 'nowhere:b', token: subscriptionToken('ada', 'nowhere:b') } });
    await ada.send({ id: 7, sub_refresh: { channel: 'locked:a', token: subscriptionToken('ada', 'locked:a') } });
    await ada.send({ id: 8, sub_refresh: { channel: 'locked:z', token: subscriptionToken('ada', 'locked:z') } });
    const bob = await world.client('bob', as('bob'));
    await bob.send({ id: 2, subscribe: { channel: '$secret', token: subscriptionToken('ada', '$secret') } });
    await bob.end();
    const eve = await world.client('eve', as('eve'));
    await eve.send({ id: 2, subscribe: { channel: '$secret', token: subscriptionToken('eve', '$other') } });
    await eve.end();
  },

  async 'channels of users'(world) {
    const ada = await world.client('ada', as('ada'));
    await ada.send({ id: 2, subscribe: { channel: 'users:talk#ada,bob' } });
    await ada.send({ id: 3, subscribe: { channel: 'users:talk#bob' } });
    await ada.send({ id: 4, subscribe: { channel: 'plain:talk#bob' } });
  },

  async 'subscriptions that come with the connection'(world) {
    await world.client('listed', as('ada', { channels: ['plain:a', 'forced:b'] }));
    await world.client('terms', as('ada', { subs: { 'plain:a': { data: { hello: 1 }, info: { seat: 1 } }, 'asked:c': { override: { force_recovery: { value: true }, presence: { value: false } } } } }));
    const unknown = await world.open('unknown');
    await unknown.send({ id: 1, connect: as('ada', { channels: ['nowhere:a', 'plain:a'] }) });
    await unknown.hears();
    const unknownSubs = await world.open('unknown subs');
    await unknownSubs.send({ id: 1, connect: as('ada', { subs: { 'nowhere:a': {} } }) });
    await unknownSubs.hears();
  },

  async 'tokens that are wrong'(world) {
    for (const [name, token] of Object.entries({
      garbage: 'x', unsigned: 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.', 'another secret': sign({ sub: 'ada' }, 'another secret of thirty-two bytes!'),
      'exp as text': sign({ sub: 'ada', exp: '4102444800' }), 'exp as a fraction': sign({ sub: 'ada', exp: 4102444800.5 }),
      'exp in text': sign({ sub: 'ada', exp: 'never' }), 'sub as a number': sign({ sub: 42 }), 'nobody': sign({}),
      'for a channel': subscriptionToken('ada', 'locked:a'), 'not yet': sign({ sub: 'ada', nbf: inSeconds(1000) }),
      'expire_at': sign({ sub: 'ada', expire_at: inSeconds(-1000) }), 'expire_at later': sign({ sub: 'ada', exp: inSeconds(100), expire_at: inSeconds(1000) }),
      'info of null': sign({ sub: 'ada', info: null }),
    })) {
      const peer = await world.open(name);
      await peer.send({ id: 1, connect: { token } });
      await peer.hears();
      await peer.leave();
    }
  },
};
