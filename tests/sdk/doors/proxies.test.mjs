// nginx, HAProxy and Caddy as examples/proxies/ has them, each before a node of its own: TLS, upgrades, the API, health,
// the TCP port, and whose address the node sees. Clients come from 127.0.0.9, the proxies from 127.0.0.1.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connect as connectTls } from 'node:tls';

import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';

import { channel } from '../js/clients.mjs';
import { API_KEY, freePort, start } from '../js/node.mjs';
import { connectionToken } from '../js/tokens.mjs';
import { until } from '../js/wait.mjs';

const CLIENT = '127.0.0.9';
const folder = mkdtempSync(join(tmpdir(), 'ringpost-proxies-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const [certificate, key, both] = ['cert.pem', 'key.pem', 'both.pem'].map((name) => join(folder, name));
execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
  '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate], { stdio: 'ignore' });
writeFileSync(both, readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'));
const reach = { ca: readFileSync(certificate), servername: 'localhost', localAddress: CLIENT, family: 4 };

/** A recipe with what everybody has to change: ports, names, certificates, networks. The documentation shows it. */
function recipe(name, replacements) {
  let text = readFileSync(new URL(`../../../examples/proxies/${name}`, import.meta.url), 'utf8');
  const shown = readFileSync(new URL('../../../docs/PROXIES.md', import.meta.url), 'utf8');
  assert.ok(shown.includes(text), `docs/PROXIES.md shows another ${name}`);
  for (const [from, to] of [...replacements, ['10.0.0.0/8', '127.0.0.0/8']]) {
    assert.ok(text.includes(from), `${name} has no ${from}`);
    text = text.replaceAll(from, to);
  }
  const path = join(mkdtempSync(join(folder, 'proxy-')), name);
  writeFileSync(path, text);
  return path;
}

/** A proxy that runs until the test ends; `port` is where it takes TLS. */
async function serve(t, child, port) {
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { log += data; });
  t.after(async () => {
    const ended = new Promise((done) => { child.once('exit', done); });
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await ended;
    }
  });
  const proxy = { port, log: () => log };
  await until(async () => {
    assert.equal(child.exitCode, null, log);
    return (await get(proxy, '/health')).status === 200;
  }, 'a proxy that serves').catch((error) => { throw new Error(`${error.message}\n${log}`); });
  return proxy;
}

const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };

async function nginx(t, node) {
  const port = await freePort();
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`);
  const path = recipe('nginx.conf', [
    ['127.0.0.1:8000', `127.0.0.1:${node.httpPort}`],
    ['listen 443 ssl', `listen 127.0.0.1:${port} ssl`],
    ['/etc/ssl/rt.example.com.pem', certificate],
    ['/etc/ssl/private/rt.example.com.key', key],
    ['rt.example.com', 'localhost'],
    ['worker_rlimit_nofile 200000', 'worker_rlimit_nofile 1000'],
    ['worker_connections 100000', 'worker_connections 500'],
    ['worker_processes auto', 'master_process off'],
    ['http {', `http { access_log off; ${temporary.join(' ')}`],
  ]);
  const global = `daemon off; pid ${folder}/nginx.pid; error_log stderr;`;
  return serve(t, spawn('nginx', ['-e', 'stderr', '-c', path, '-g', global], { env, stdio: ['ignore', 'pipe', 'pipe'] }), port);
}

async function haproxy(t, node, changes = []) {
  const [port, tcpPort] = [await freePort(), await freePort()];
  const path = recipe('haproxy.cfg', [
    ...changes,
    ['127.0.0.1:8000', `127.0.0.1:${node.httpPort}`],
    ['127.0.0.1:8001', `127.0.0.1:${node.tcpPort}`],
    ['bind :443', `bind 127.0.0.1:${port}`],
    ['bind :8443', `bind 127.0.0.1:${tcpPort}`],
    ['/etc/haproxy/rt.example.com.pem', both],
    ['maxconn 100000', 'maxconn 500'],
  ]);
  const child = spawn('haproxy', ['-db', '-f', path], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  return { ...await serve(t, child, port), tcpPort };
}

async function caddy(t, node) {
  const port = await freePort();
  const path = recipe('Caddyfile', [
    ['127.0.0.1:8000', `127.0.0.1:${node.httpPort}`],
    ['rt.example.com {', `{\n\tadmin off\n\tauto_https disable_redirects\n}\n\nhttps://localhost:${port} {\n\ttls ${certificate} ${key}`],
  ]);
  const home = join(folder, 'caddy');
  mkdirSync(home, { recursive: true });
  const places = { HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home };
  const args = ['run', '--config', path, '--adapter', 'caddyfile'];
  return serve(t, spawn('caddy', args, { env: { ...env, ...places }, stdio: ['ignore', 'pipe', 'pipe'] }), port);
}

/** One request through the proxy. */
function get(proxy, path, { method = 'GET', headers = {}, body } = {}) {
  return new Promise((done, failed) => {
    const asked = request({ ...reach, host: 'localhost', port: proxy.port, path, method, headers, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (data) => { text += data; });
      answer.on('end', () => done({ status: answer.statusCode, text }));
    });
    asked.on('error', failed);
    asked.end(body);
  });
}

function api(proxy, method, params) {
  const headers = { 'X-API-Key': API_KEY, 'Content-Type': 'application/json' };
  return get(proxy, `/api/${method}`, { method: 'POST', headers, body: JSON.stringify(params) });
}

/** The addresses of a user's sessions, as the node knows them. */
async function addresses(node, user) {
  const { connections } = await node.api('connections', { user });
  return Object.values(connections).map(({ address }) => address);
}

const TRUSTED = { RINGPOST_PROXIES__TRUSTED: '127.0.0.1' };

/** All that must work through any of them. */
async function converse(t, node, proxy) {
  const options = { ...reach, headers: { 'X-Forwarded-For': '6.6.6.6', Forwarded: 'for=6.6.6.6' } };
  class Socket extends WebSocket {
    constructor(url, protocols) { super(url, protocols, options); }
  }
  const client = new Centrifuge(`wss://localhost:${proxy.port}/connection/websocket`, { websocket: Socket, token: connectionToken('ann') });
  t.after(() => client.disconnect());
  const room = channel('chat');
  const subscription = client.newSubscription(room);
  const heard = [];
  subscription.on('publication', ({ data }) => heard.push(data));
  subscription.subscribe();
  client.connect();
  await client.ready();
  await subscription.ready();
  assert.deepEqual(await addresses(node, 'ann'), [CLIENT], 'what a client says itself is not believed');
  // More than the buffers of proxies hold.
  const long = 'ü'.repeat(30_000);
  await subscription.publish({ from: 'ann', long });
  const answer = await api(proxy, 'publish', { channel: room, data: { from: 'a backend' } });
  assert.deepEqual([answer.status, JSON.parse(answer.text).result.offset], [200, 2], answer.text);
  await until(() => heard.length === 2, 'both publications');
  assert.deepEqual(heard, [{ from: 'ann', long }, { from: 'a backend' }]);
  assert.equal((await get(proxy, '/health')).status, 200);
  assert.equal((await get(proxy, '/metrics')).status, 404, 'what is not passed on is not there');
  // The heartbeat goes through: the node's ping interval is 5 s, and it gives up after three misses.
  assert.equal(client.state, 'connected');
}

test('through nginx clients talk, backends call, and the node sees whose address it is', async (t) => {
  const node = await start(t, { env: TRUSTED });
  await converse(t, node, await nginx(t, node));
});

test('through Caddy clients talk, backends call, and the node sees whose address it is', async (t) => {
  const node = await start(t, { env: TRUSTED });
  await converse(t, node, await caddy(t, node));
});

const TCP = { ...TRUSTED, RINGPOST_TCP_SERVER__PROXY_PROTOCOL: 'true' };

test('through HAProxy clients talk, backends call, and the node sees whose address it is', async (t) => {
  const node = await start(t, { env: TCP });
  await converse(t, node, await haproxy(t, node));
});

const HEADERS = {
  'version 2': [],
  'version 1': [['send-proxy-v2', 'send-proxy']],
  'version 2 with a checksum and other fields': [['send-proxy-v2', 'send-proxy-v2 proxy-v2-options crc32c,ssl,authority,unique-id']],
};

for (const [name, changes] of Object.entries(HEADERS)) {
  test(`HAProxy says by a PROXY header of ${name} whose connection it is`, async (t) => {
    const node = await start(t, { env: TCP });
    const proxy = await haproxy(t, node, changes);
    const socket = connectTls({ ...reach, host: 'localhost', port: proxy.tcpPort });
    t.after(() => socket.destroy());
    let text = '';
    socket.on('data', (data) => { text += data; });
    socket.write(`${JSON.stringify({ id: 1, connect: { token: connectionToken('bob') } })}\n`);
    await until(() => text.includes('"client"'), 'the reply to connect');
    assert.deepEqual(await addresses(node, 'bob'), [CLIENT]);
    // Its looks whether the port is there come with a header, too: of the proxy itself, or of nobody.
    assert.equal(await node.metric('ringpost_closes_total', { cause: 'proxy_header' }), 0);
  });
}
