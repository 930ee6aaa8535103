// Who is in a channel whose subscribers are on two nodes, as the SDK shows it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';

import { BUILDS, channel, connect, subscribe } from '../js/clients.mjs';
import { until } from '../js/wait.mjs';
import { startNodes } from './nodes.mjs';

/** Whose sessions are listed, by name. */
const users = async (subscription) =>
  Object.values((await subscription.presence()).clients).map(({ user }) => user).sort();

/** Waits until all of these list the same users, and count as many. */
async function list(subscriptions, expected, patienceMs) {
  for (const subscription of subscriptions) {
    const count = { numClients: expected.length, numUsers: new Set(expected).size };
    const told = async () => [await users(subscription), await subscription.presenceStats()];
    const same = async () => isDeepStrictEqual(await told(), [expected, count]);
    await until(same, `a list of ${expected}`, patienceMs);
  }
}

/** How often a subscription has heard this of a user. */
const times = (subscription, event, user) =>
  subscription.heard[event].all.filter(({ info }) => info.user === user).length;

for (const build of BUILDS) {
  const as = (what) => `${build.name}: ${what}`;

  test(as('subscribers on two nodes are on one list, and hear once who comes and goes on either'), async (t) => {
    const nodes = await startNodes(t, 2);
    const room = channel('hall');
    const hers = await subscribe(await connect(t, build, { node: nodes[0] }), room);
    const his = await subscribe(await connect(t, build, { node: nodes[1], user: 'bob' }), room);
    await list([hers, his], ['ada', 'bob']);
    const eve = await connect(t, build, { node: nodes[1], user: 'eve' });
    // Who has just come finds itself.
    assert.ok((await users(await subscribe(eve, room))).includes('eve'));
    const again = await connect(t, build, { node: nodes[0], user: 'eve' });
    await subscribe(again, room);
    await list([hers, his], ['ada', 'bob', 'eve', 'eve']);
    eve.disconnect();
    again.disconnect();
    await list([hers, his], ['ada', 'bob']);
    for (const subscription of [hers, his]) {
      await until(() => times(subscription, 'leave', 'eve') === 2, 'both have left');
      assert.equal(times(subscription, 'join', 'eve'), 2);
    }
    assert.equal(times(hers, 'join', 'bob'), 1);
    // That she has come may be on its way still when he comes; that she has left is never said.
    assert.equal(times(his, 'leave', 'ada'), 0);
  });

  test(as('a client whose network was lost is listed once when it is back, on whichever node'), async (t) => {
    const nodes = await startNodes(t, 2);
    const room = channel('hall');
    const hers = await subscribe(await connect(t, build, { node: nodes[0] }), room);
    let back = nodes[0];
    const bob = await connect(t, build, { node: nodes[0], user: 'bob', redirect: () => back.websocket });
    const his = await subscribe(bob, room);
    await list([hers, his], ['ada', 'bob']);
    back = nodes[1];
    bob.cut();
    await his.heard.subscribed.at(1);
    await list([hers, his], ['ada', 'bob']);
    // The one that was cut off has left, and the one that came has not.
    const heard = () => JSON.stringify(['join', 'leave'].map((event) => times(hers, event, 'bob')));
    await until(() => heard() === '[2,1]', 'the session before has left, and another has come');
  });

  test(as('clients of a node that ends leave at once, those of one that is killed with its lease'), async (t) => {
    const nodes = await startNodes(t, 3);
    const room = channel('hall');
    const hers = await subscribe(await connect(t, build, { node: nodes[0] }), room);
    for (const [at, user] of [[1, 'bob'], [2, 'eve']]) {
      await subscribe(await connect(t, build, { node: nodes[at], user }), room);
    }
    await list([hers], ['ada', 'bob', 'eve']);
    nodes[1].signal('SIGTERM');
    assert.equal(await nodes[1].ended(), 0);
    await list([hers], ['ada', 'eve']);
    await until(() => times(hers, 'leave', 'bob') === 1, 'bob has left');
    await nodes[2].kill();
    await list([hers], ['ada'], 30_000);
    await until(() => times(hers, 'leave', 'eve') === 1, 'eve has left', 30_000);
  });
}
