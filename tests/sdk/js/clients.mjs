// Clients of the JavaScript SDK, in both of its builds.
import { Centrifuge as JsonClient } from 'centrifuge';
import { Centrifuge as ProtobufClient } from 'centrifuge/build/protobuf';
import WebSocket from 'ws';

import { shared } from './node.mjs';
import { connectionToken } from './tokens.mjs';
import { Events } from './wait.mjs';

/** The two builds; in Protobuf payloads are bytes, which here carry JSON too. */
export const BUILDS = [
  { name: 'JSON', Client: JsonClient, write: (value) => value, read: (data) => data },
  {
    name: 'Protobuf',
    Client: ProtobufClient,
    write: (value) => new TextEncoder().encode(JSON.stringify(value)),
    read: (data) => JSON.parse(new TextDecoder().decode(data)),
  },
];

/**
 * A client that is disconnected when the test ends. `client.cut()` destroys its socket, as a lost network
 * does; `client.events(name)` collects.
 */
export function makeClient(t, build, { user = 'ada', node = shared, claims, ...options } = {}) {
  let socket;
  class Socket extends WebSocket {
    constructor(url, protocols) {
      super(options.redirect?.() ?? url, protocols);
      socket = this;
    }
  }
  const client = new build.Client(node.websocket, {
    websocket: Socket,
    minReconnectDelay: 20,
    maxReconnectDelay: 200,
    ...(options.getToken || user === null ? {} : { token: connectionToken(user, claims) }),
    ...options,
  });
  client.cut = () => socket.terminate();
  client.events = (name) => new Events(client, name);
  t.after(() => client.disconnect());
  return client;
}

/** A client that is connected. */
export async function connect(t, build, options) {
  const client = makeClient(t, build, options);
  client.connect();
  await client.ready();
  return client;
}

/** A subscription whose events are collected, subscribed unless `wait` is false. */
export async function subscribe(client, channel, { wait = true, ...options } = {}) {
  const subscription = client.newSubscription(channel, { minResubscribeDelay: 20, maxResubscribeDelay: 200, ...options });
  const names = ['publication', 'join', 'leave', 'subscribing', 'subscribed', 'unsubscribed', 'error'];
  subscription.heard = Object.fromEntries(names.map((name) => [name, new Events(subscription, name)]));
  subscription.subscribe();
  if (wait) await subscription.ready();
  return subscription;
}

let channels = 0;

/** A channel that no other test uses. */
export const channel = (namespace) => `${namespace ? `${namespace}:` : ''}${process.pid}-${++channels}`;
