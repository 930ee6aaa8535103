// The HTTP port without an upgrade: API, documents, health, metrics, and requests that make no sense.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { channel } from '../js/clients.mjs';
import { API_KEY, shared } from '../js/node.mjs';
import { until } from '../js/wait.mjs';
import { http, Raw, upgrade } from './raw.mjs';

/** Calls curl; gives status and body. */
async function curl(path, ...args) {
  const { stdout } = await promisify(execFile)('curl', ['-s', '-w', '\n%{http_code}', ...args, `${shared.origin}${path}`]);
  const at = stdout.lastIndexOf('\n');
  return { status: Number(stdout.slice(at + 1)), body: stdout.slice(0, at) };
}

const post = (method, body, key = API_KEY) => curl(`/api/${method}`, '-H', `X-API-Key: ${key}`, '-d', body);

test('curl publishes and reads history', async () => {
  const room = channel('chat');
  const published = await post('publish', JSON.stringify({ channel: room, data: { text: 'from curl' } }));
  assert.equal(published.status, 200);
  const { result } = JSON.parse(published.body);
  assert.deepEqual([result.offset, typeof result.epoch], [1, 'string']);
  const { body } = await post('history', JSON.stringify({ channel: room, limit: 1 }));
  assert.deepEqual(JSON.parse(body).result.publications[0].data, { text: 'from curl' });
});

test('the API key may come as an Authorization header too', async () => {
  const { status } = await curl('/api/info', '-H', `Authorization: apikey ${API_KEY}`, '-d', '{}');
  assert.equal(status, 200);
});

test('a wrong or missing API key is 401', async () => {
  assert.equal((await post('info', '{}', 'wrong')).status, 401);
  assert.equal((await curl('/api/info', '-d', '{}')).status, 401);
});

test('a body that is no JSON, or not the method’s, is 400 and says what is wrong', async () => {
  assert.equal((await post('publish', '{"channel":')).status, 400);
  const { status, body } = await post('publish', '{"channel":7,"data":{}}');
  assert.equal(status, 400);
  assert.match(body, /channel|string/);
});

test('an unknown method and an unknown path are 404', async () => {
  assert.equal((await post('publich', '{}')).status, 404);
  assert.equal((await curl('/nothing/here')).status, 404);
});

test('an unknown channel’s error is in the body, as backends expect', async () => {
  const { status, body } = await post('publish', JSON.stringify({ channel: 'nowhere:1', data: {} }));
  assert.equal(status, 200);
  assert.equal(JSON.parse(body).error.code, 102);
});

test('a body beyond the limit is 413', async (t) => {
  const raw = new Raw(t, shared.httpPort);
  const body = JSON.stringify({ channel: 'flow:big', data: 'x'.repeat(9 << 20) });
  raw.send(`POST /api/publish HTTP/1.1\r\nHost: x\r\nX-API-Key: ${API_KEY}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  await until(() => raw.text().startsWith('HTTP/1.1 413'), '413');
});

test('the OpenAPI document describes every method', async () => {
  const { status, body } = await curl('/api/openapi.json');
  assert.equal(status, 200);
  const { openapi, paths } = JSON.parse(body);
  assert.match(openapi, /^3\.1/);
  const methods = ['publish', 'broadcast', 'subscribe', 'unsubscribe', 'disconnect', 'refresh', 'presence',
    'presence_stats', 'history', 'history_remove', 'channels', 'info', 'batch', 'connections'];
  assert.deepEqual(methods.filter((method) => !paths[`/api/${method}`]), []);
});

test('health is 200 and metrics are Prometheus text of both shards', async () => {
  assert.equal((await curl('/health')).status, 200);
  const { status, body } = await curl('/metrics');
  assert.equal(status, 200);
  for (const shard of [0, 1]) assert.match(body, new RegExp(`ringpost_conns\\{shard="${shard}"\\} \\d+`));
  assert.match(body, /# HELP ringpost_conns /);
});

test('the page is served with a policy that allows nothing foreign', async () => {
  const answer = await fetch(`${shared.origin}/`);
  assert.match(await answer.text(), /<title>Ringpost chat<\/title>/);
  assert.match(answer.headers.get('content-security-policy'), /default-src 'self'/);
});

test('a GET of the WebSocket path without an upgrade says what to do', async () => {
  const { status, body } = await curl('/connection/websocket');
  assert.ok([400, 426].includes(status), `status ${status}`);
  assert.match(body, /upgrade|WebSocket/i);
});

for (const [what, request, status] of [
  ['nonsense', 'nonsense\r\n\r\n', 400],
  ['an upgrade of another version', upgrade({ headers: { 'Sec-WebSocket-Version': '8' } }), 426],
  ['an upgrade without a key', upgrade({ headers: { 'Sec-WebSocket-Key': null } }), 400],
  ['an upgrade of another path', upgrade({ path: '/elsewhere' }), 404],
  ['an upgrade from a foreign page', upgrade({ headers: { Origin: 'https://evil.example.com' } }), 403],
  ['headers beyond the limit', upgrade({ headers: { Cookie: 'x'.repeat(20_000) } }), 431],
]) {
  test(`${what} is answered with ${status}`, async (t) => {
    assert.equal((await http(t, request)).status, status);
  });
}

for (const [what, origin] of [['an allowed page', 'https://app.example.com'], ['the page of the same host', 'http://localhost']]) {
  test(`an upgrade from ${what} is welcome`, async (t) => {
    assert.equal((await http(t, upgrade({ headers: { Origin: origin } }))).status, 101);
  });
}

test('requests on one kept connection are answered in turn', async (t) => {
  const raw = new Raw(t, shared.httpPort);
  raw.send('GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => raw.text().match(/HTTP\/1\.1 \d+/g)?.length === 2, 'two answers');
  assert.deepEqual(raw.text().match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 200', 'HTTP/1.1 404']);
});

test('a request head that never ends is closed after its time', async (t) => {
  const raw = new Raw(t, shared.httpPort);
  raw.send('GET /health HTT');
  await raw.end();
});
