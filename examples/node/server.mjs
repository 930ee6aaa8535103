// A backend for Ringpost in Node.js: signs tokens, publishes, lists who is present, serves a page.
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { SignJWT } from 'jose';

const {
  PORT = '3000',
  WEBSOCKET_URL = 'ws://127.0.0.1:8000/connection/websocket',
  API_URL = 'http://127.0.0.1:8000/api',
  API_KEY = 'dev',
  TOKEN_SECRET = 'ringpost-development-secret-not-for-production',
} = process.env;
const CHANNEL = '$chat:team';

const secret = new TextEncoder().encode(TOKEN_SECRET);

/** With a channel a subscription token, without one a connection token. Short: the SDK asks for the next in time. */
function sign(user, channel) {
  const claims = channel ? { sub: user, channel } : { sub: user, info: { name: user } };
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).setExpirationTime('10m').sign(secret);
}

/** Calls the node. Errors of the API come with status 200, in `error`. */
async function api(method, params) {
  const headers = { 'X-API-Key': API_KEY, 'Content-Type': 'application/json' };
  const answer = await fetch(`${API_URL}/${method}`, { method: 'POST', headers, body: JSON.stringify(params) });
  if (!answer.ok) throw new Error(`${method}: HTTP ${answer.status}`);
  const { error, result } = await answer.json();
  if (error) throw new Error(`${method}: ${error.code} ${error.message}`);
  return result;
}

/** What your application knows: who may read which channel. */
const may = (user, channel) => user !== 'mallory' && channel === CHANNEL;

const ROUTES = {
  async 'GET /'() {
    const page = await readFile(new URL('../page.html', import.meta.url), 'utf8');
    return { html: page.replace('WEBSOCKET_URL', WEBSOCKET_URL) };
  },
  // In your application the user is who is logged in, not who it says.
  async 'GET /token'({ query }) {
    const [user, channel] = [query.get('user'), query.get('channel')];
    if (!user || (channel && !may(user, channel))) return { status: 403, json: {} };
    return { json: { token: await sign(user, channel) } };
  },
  async 'POST /announce'({ body }) {
    const { text } = JSON.parse(body);
    return { json: await api('publish', { channel: CHANNEL, data: { text } }) };
  },
  async 'GET /presence'() {
    const { presence } = await api('presence', { channel: CHANNEL });
    return { json: { users: [...new Set(Object.values(presence).map(({ user }) => user))].sort() } };
  },
};

async function answer(request, response) {
  const url = new URL(request.url, 'http://localhost');
  const route = ROUTES[`${request.method} ${url.pathname}`];
  const body = (await request.toArray()).join('');
  const { status = 200, json, html } = route ? await route({ query: url.searchParams, body }) : { status: 404, json: {} };
  response.writeHead(status, { 'Content-Type': html ? 'text/html; charset=utf-8' : 'application/json' });
  response.end(html ?? JSON.stringify(json));
}

createServer((request, response) => {
  answer(request, response).catch((error) => {
    console.error(error);
    response.writeHead(502).end();
  });
}).listen(Number(PORT), '127.0.0.1', () => console.log(`http://127.0.0.1:${PORT}/`));
