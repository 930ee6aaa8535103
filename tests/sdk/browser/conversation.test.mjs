// The main job on real input: JavaScript, Python, a browser and a backend in one room see one order.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { BUILDS, connect, subscribe } from '../js/clients.mjs';
import { shared } from '../js/node.mjs';
import { open, say, texts } from './browser.mjs';
import { until } from '../js/wait.mjs';

const EACH = 10;
const SOURCES = ['js-json', 'js-protobuf', 'py-json', 'py-protobuf', 'browser', 'backend'];
const TOTAL = EACH * SOURCES.length;

/** A Python process that says `ready`, waits for a line, and prints what it has to say at its end. */
async function python(t, script, ...args) {
  const path = fileURLToPath(new URL(`../python/${script}`, import.meta.url));
  const child = spawn(process.env.SDK_TEST_PYTHON, [path, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  const lines = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  await until(() => lines[0] === 'ready', `${script} to be ready`);
  return {
    go: () => child.stdin.write('go\n'),
    async said() {
      if (child.exitCode === null) await once(child, 'close');
      assert.equal(child.exitCode, 0, script);
      return lines[1] && JSON.parse(lines[1]);
    },
  };
}

test('clients of every kind in one room see the same messages in the same order', { timeout: 60_000 }, async (t) => {
  const name = `conversation-${process.pid}`;
  const room = `chat:${name}`;
  const page = await (await open(t, shared)).tab('browser', name);
  const guests = await Promise.all(['json', 'protobuf'].map((encoding) => python(t, 'guest.py', encoding, `py-${encoding}`, room, EACH, TOTAL)));
  const backend = await python(t, 'backend.py', 'backend', room, EACH);
  const clients = await Promise.all(BUILDS.map(async (build) => {
    const user = `js-${build.name.toLowerCase()}`;
    return { build, user, subscription: await subscribe(await connect(t, build, { user }), room) };
  }));

  for (const each of [...guests, backend]) each.go();
  await Promise.all([
    ...clients.map(async ({ build, user, subscription }) => {
      for (let n = 0; n < EACH; n += 1) await subscription.publish(build.write({ text: `${user} ${n}`, user }));
    }),
    (async () => { for (let n = 0; n < EACH; n += 1) await say(page, `browser ${n}`); })(),
  ]);

  const { publications } = await until(async () => {
    const history = await shared.api('history', { channel: room, limit: TOTAL });
    return history.publications.length === TOTAL && history;
  }, 'all messages in the history');
  const order = publications.map(({ data }) => data.text);
  for (const source of SOURCES) {
    const own = order.filter((text) => text.startsWith(`${source} `));
    assert.deepEqual(own, Array.from({ length: EACH }, (_, n) => `${source} ${n}`), `${source} keeps its order`);
  }
  for (const { build, user, subscription } of clients) {
    await subscription.heard.publication.at(TOTAL - 1);
    assert.deepEqual(subscription.heard.publication.all.map(({ data }) => build.read(data).text), order, user);
  }
  for (const guest of guests) assert.deepEqual(await guest.said(), order);
  await backend.said();
  await until(async () => (await texts(page)).length === TOTAL, 'all messages on the page');
  assert.deepEqual(await texts(page), order, 'the page');
});
