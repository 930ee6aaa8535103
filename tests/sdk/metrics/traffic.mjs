// A little of everything that the metrics count.
import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';

import { until } from '../js/wait.mjs';

/** Connects `users` clients to a node, and has every cause of the board's lines happen once. */
export async function busy(t, node, users = 3) {
  const clients = Array.from({ length: users }, () => new Centrifuge(node.websocket, { websocket: WebSocket }));
  t.after(() => clients.forEach((client) => client.disconnect()));
  const rooms = clients.flatMap((client) => ['chat:a', 'flow:a'].map((channel) => client.newSubscription(channel)));
  rooms.forEach((room) => room.subscribe());
  clients.forEach((client) => client.connect());
  await until(() => rooms.every(({ state }) => state === 'subscribed'), 'all subscriptions');
  await rooms[0].publish({ text: 'hello' });
  await node.api('publish', { channel: 'chat:a', data: 1 });
  await node.api('publish', { channel: 'nowhere:a', data: 1 }).catch(() => {});
  await fetch(`${node.origin}/api/publish`, { method: 'POST', body: '{}' });
  await clients[0].history('typing:a', { limit: 1 }).catch(() => {});
  rooms.at(-1).unsubscribe();
  const passing = new Centrifuge(node.websocket, { websocket: WebSocket });
  passing.connect();
  await passing.ready();
  passing.disconnect();
  return { clients, rooms };
}
