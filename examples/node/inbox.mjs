// An inbox on the command line: node inbox.mjs USER. Each line of standard input is sent; what others send is shown, also what
// came while this user was away. It is kept as received by this device, and as read by the user.
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Centrifuge } from 'centrifuge';
import { SignJWT } from 'jose';
import WebSocket from 'ws';

const {
  WEBSOCKET_URL = 'ws://127.0.0.1:8000/connection/websocket',
  TOKEN_SECRET = 'ringpost-development-secret-not-for-production',
  CHANNEL = 'inbox:letters',
  DEVICE = 'terminal',
} = process.env;
const [, , user = 'ada'] = process.argv;

/** Your backend does this. A device that is named keeps its place: it gets what it has not received, once. */
function getToken() {
  const claims = { sub: user, device: DEVICE };
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).setExpirationTime('10m').sign(new TextEncoder().encode(TOKEN_SECRET));
}

const client = new Centrifuge(WEBSOCKET_URL, { websocket: WebSocket, getToken });
const letters = client.newSubscription(CHANNEL);
const inbox = async (method, data) => (await client.rpc(`inbox.${method}`, { channel: CHANNEL, ...data })).data;
/** What is lost with a connection is said again after the next publication. */
const tell = (method, offset) => inbox(method, { offset }).catch((error) => console.error(`${method} ${offset}: ${error.message}`));

/** So often, in milliseconds, it is said at the most what was received: what is said of an offset holds for all before it. */
const SAY_EVERY = 500;
/** But when so many are unsaid: half of the namespace's `max_unacked`, beyond which the node waits to be told. */
const SAY_AT = 32;
const unsaid = new Set();
let furthest = 0;
let saidUpTo = 0;
let saidAt = 0;
let saying;

/** Says it with the publication, or later with those that come meanwhile. What comes again is said by itself. */
function taken(offset) {
  if (offset > furthest) {
    unsaid.delete(furthest);
    furthest = offset;
  }
  unsaid.add(offset);
  if (furthest - saidUpTo >= SAY_AT) say();
  else saying ??= setTimeout(say, Math.max(0, saidAt + SAY_EVERY - Date.now()));
}

async function say() {
  clearTimeout(saying);
  const offsets = [...unsaid];
  unsaid.clear();
  [saying, saidAt, saidUpTo] = [undefined, Date.now(), furthest];
  for (const offset of offsets) {
    await tell('received', offset);
    await tell('read', offset);
  }
}

// What is not received in time comes again: each offset is shown once.
const shown = new Set();
letters.on('publication', ({ offset, data, info }) => {
  if (info?.user !== user && !shown.has(offset)) console.log(`${info?.user}: ${data.text}`);
  shown.add(offset);
  // Where messages are kept, they are kept before this.
  taken(offset);
});

letters.on('subscribed', async ({ wasRecovering, recovered }) => {
  if (wasRecovering && !recovered) console.log('(some messages are no longer kept)');
  console.log(`here as ${user}, ${(await inbox('unread')).unread} unread`);
});

client.on('message', ({ data }) => {
  if (data.type !== 'inbox.positions' || data.channel !== CHANNEL) return;
  for (const { user: who, received, read } of data.users) if (who !== user) console.log(`(${who}: received ${received}, read ${read})`);
});

/** Sends until it is answered. The id stays the same: however often it is sent, it is there once. */
async function send(text, id = randomUUID()) {
  for (;;) {
    try {
      const { offset } = await inbox('send', { id, data: { text } });
      return console.log(`(sent as ${offset})`);
    } catch (error) {
      // Codes from 100 are the node's: it has refused, for good unless it says that this will pass.
      if (error.code >= 100 && !error.temporary) return console.log(`(not sent: ${error.message})`);
      await sleep(500);
    }
  }
}

letters.subscribe();
client.connect();
for await (const line of createInterface({ input: process.stdin })) await send(line);
// What is unsaid would come again.
await say();
client.disconnect();
