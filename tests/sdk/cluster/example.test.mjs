// What `make cluster` starts, used as it prints: each command that it shows, and its chat pages on two nodes.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { open, reads, say, texts } from '../browser/browser.mjs';
import { until } from '../js/wait.mjs';

const EXAMPLE = fileURLToPath(new URL('../../../examples/cluster/run', import.meta.url));
const GRPCURL = fileURLToPath(new URL('../../../target/sdk-grpc', import.meta.url));

/** Runs the example, gives what it has printed so far, and ends it as Ctrl-C does. */
async function start(t) {
  const child = spawn(EXAMPLE, { env: { ...process.env, RINGPOST: process.env.SDK_TEST_BIN }, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { out: '', error: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => { said.out += text; });
  child.stderr.setEncoding('utf8').on('data', (text) => { said.error += text; });
  const end = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGINT');
      await once(child, 'exit');
    }
    return child.exitCode;
  };
  t.after(end);
  await until(() => {
    assert.equal(child.exitCode, null, said.error);
    return said.out.includes('Ctrl-C ends all');
  }, 'the cluster', 120_000);
  return { said, end };
}

/** What it shows, by what stands above it. */
function commands(text) {
  const all = {};
  for (const block of text.split('\n\n')) {
    const [title, ...lines] = block.split('\n').map((line) => line.replace(/^ {2}/, ''));
    if (title.startsWith('# ')) all[title.slice(2).split(/[,:;]/)[0]] = lines.join('\n');
  }
  return all;
}

/** Has a shell run commands; what it starts in the background ends with the test. */
function shell(t, command) {
  const env = { ...process.env, PATH: `${process.env.PATH}:${GRPCURL}` };
  const child = spawn('bash', ['-c', `set -eo pipefail\n${command}`], { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => {
    try { process.kill(-child.pid); } catch { /* Nothing is left of it. */ }
  });
  return child;
}

/** What commands print. */
async function run(t, command) {
  const child = shell(t, command);
  let [told, error] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text) => { told += text; });
  child.stderr.setEncoding('utf8').on('data', (text) => { error += text; });
  const [code] = await once(child, 'close');
  assert.equal(code, 0, `${command}\n${told}\n${error}`);
  return told;
}

test('what make cluster prints does what it says', { timeout: 170_000 }, async (t) => {
  const { said, end } = await start(t);
  const shown = commands(said.out);
  const show = (title) => shown[title] ?? assert.fail(`no ${title} in ${said.out}`);

  const tabs = await Promise.all([[8010, 'ann'], [8020, 'bob']].map(async ([port, user]) => {
    const origin = `http://127.0.0.1:${port}`;
    assert.ok(said.out.includes(`${origin}/`));
    return (await open(t, { origin })).tab(user, 'lobby');
  }));
  await say(tabs[0], 'hello from the first node');
  await say(tabs[1], 'and from the second');
  assert.match(await run(t, show('publish through whichever node answers')), /"offset"/);
  await run(t, show('have a node publish'));
  for (const tab of tabs) await until(async () => (await texts(tab)).length === 4, 'four messages on each page', 30_000);
  assert.deepEqual(await texts(tabs[0]), await texts(tabs[1]));
  for (const tab of tabs) await tab.locator('#count', { hasText: 'Here now: 2' }).waitFor();
  await tabs[1].screenshot({ path: join(process.env.SDK_TEST_SHOTS, 'cluster.png') });

  const status = await run(t, show('the nodes'));
  for (const node of ['node-1', 'node-2', 'node-3']) assert.match(status, new RegExp(node));

  // The first command keeps the user's connection, the others tell of it.
  const [comes, logins, sessions, state] = show('user 42 comes').split('\n');
  shell(t, comes);
  const tells = (command, what) => until(async () => what.test(await run(t, command)), `${what} of ${command}`, 30_000);
  await tells(logins, /"42"/);
  await tells(sessions, /"42"/);
  await tells(state, /"online":true/);
  await tells(show('the same by gRPC'), /"online": true/);
  await run(t, show('kill the process that knows it'));
  await until(async () => /"online":true/.test(await run(t, state).catch(() => '')), 'the same of another process', 30_000);

  assert.match(await run(t, show('a message that no device of user 7 receives')), /inbox:7/);
  await until(() => said.out.includes('push to user 7'), 'a push of the application', 30_000);
  assert.match(await run(t, show("what the app's icon shows")), /"badge":1/);

  assert.doesNotMatch(said.error, /has ended|waited for/);
  const on = (tab) => tab.locator('#shard .node').innerText();
  const behind = await open(t, { origin: 'http://127.0.0.1:8000' });
  const guests = [];
  // The load balancer gives each to the node that has the fewest.
  while (guests.length < 6 && await on(guests.at(-1) ?? tabs[1]) !== 'of node-1') guests.push(await behind.tab('guest', 'lobby'));
  const guest = guests.at(-1);
  assert.equal(await on(guest), 'of node-1');
  await run(t, /kill -9 \d+(?=\))/.exec(said.out)[0]);
  await guest.locator('[data-state]:not([data-state=connected])').waitFor();
  await say(tabs[1], 'while a node is gone');
  await reads(guest, 'while a node is gone');
  assert.notEqual(await on(guest), 'of node-1');
  assert.deepEqual(await texts(guest), await texts(tabs[1]));
  await guest.locator('#people', { hasText: 'bob' }).waitFor();
  await guest.screenshot({ path: join(process.env.SDK_TEST_SHOTS, 'cluster-killed.png') });

  assert.equal(await end(), 0, said.error);
  assert.deepEqual(said.error.match(/\S+ (has ended|waited for).*/g), ['node-1 has ended; the others go on until Ctrl-C']);
});

test('a port that something else has is told before anything is started', async (t) => {
  const other = createServer().listen(8000, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const child = spawn(EXAMPLE, { env: { ...process.env, RINGPOST: process.env.SDK_TEST_BIN }, stdio: ['ignore', 'ignore', 'pipe'] });
  let error = '';
  child.stderr.setEncoding('utf8').on('data', (text) => { error += text; });
  const [code] = await once(child, 'close');
  assert.equal(code, 1);
  assert.match(error, /port 8000 of 127\.0\.0\.1/);
});
