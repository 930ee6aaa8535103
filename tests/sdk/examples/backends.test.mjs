// The backends of examples/, each with its page in two tabs of a browser.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { launch } from '../browser/browser.mjs';
import { freePort, start } from '../js/node.mjs';
import { until } from '../js/wait.mjs';
import { EXAMPLES, PACKAGES, copy } from './copy.mjs';

const SDK = join(PACKAGES, 'centrifuge/dist/centrifuge.js');

/** How each is started, in a copy of the folder that has the packages of the tests. */
const BACKENDS = {
  node: () => [process.execPath, ['node/server.mjs']],
  python: () => [process.env.SDK_TEST_PYTHON, ['python/server.py']],
  go(folder) {
    execFileSync('go', ['build', '-mod=readonly', '-o', 'server', '.'], { cwd: join(folder, 'go') });
    return [join(folder, 'go/server'), [], { PAGE: 'page.html' }];
  },
};

/** Starts a backend beside a node; gives where its page is. */
async function serve(t, name, node) {
  const folder = copy(t);
  const [program, args, env] = BACKENDS[name](folder);
  const port = await freePort();
  const settings = { PORT: port, WEBSOCKET_URL: node.websocket, API_URL: `${node.origin}/api` };
  const child = spawn(program, args, { cwd: folder, env: { ...process.env, ...settings, ...env }, stdio: ['ignore', 'ignore', 'inherit'] });
  t.after(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  const page = `http://127.0.0.1:${port}/`;
  await until(async () => (await fetch(page)).ok, `the page of ${name}`);
  return page;
}

for (const name of Object.keys(BACKENDS)) {
  test(`with the backend in ${name} two people talk, see each other, and hear the backend`, { timeout: 120_000 }, async (t) => {
    const node = await start(t, { dev: true });
    const url = await serve(t, name, node);
    const browser = await launch(t);
    // The page asks a network for the SDK: it is given that of the tests, whose hash it compares.
    await browser.route('https://unpkg.com/**', (route) => {
      assert.equal(new URL(route.request().url()).pathname, `/centrifuge@${version('centrifuge')}/dist/centrifuge.js`);
      return route.fulfill({ path: SDK, contentType: 'text/javascript', headers: { 'Access-Control-Allow-Origin': '*' } });
    });
    const enter = async (user) => {
      const page = await browser.newPage();
      await page.goto(url);
      await page.getByLabel('Your name').fill(user);
      await page.getByRole('button', { name: 'Join' }).click();
      await page.getByText(`connected as ${user}`).waitFor();
      return page;
    };
    const reads = (page, text) => page.locator('li').getByText(text, { exact: true }).waitFor();

    const ada = await enter('ada');
    const bob = await enter('bob');
    for (const page of [ada, bob]) await page.getByText('Here now: ada, bob').waitFor();
    await ada.getByLabel('Message').fill('Hello <b>Bob</b>');
    await ada.getByRole('button', { name: 'Say' }).click();
    for (const page of [ada, bob]) await reads(page, 'ada: Hello <b>Bob</b>');
    await bob.getByLabel('Message').fill('Lunch is ready');
    await bob.getByRole('button', { name: 'announce' }).click();
    for (const page of [ada, bob]) await reads(page, 'Lunch is ready');

    const late = await enter('cleo');
    await reads(late, 'Lunch is ready');
    assert.deepEqual(await late.locator('li').allInnerTexts(), await ada.locator('li').allInnerTexts());
    if (process.env.SDK_TEST_SHOTS) {
      mkdirSync(process.env.SDK_TEST_SHOTS, { recursive: true });
      await ada.screenshot({ path: join(process.env.SDK_TEST_SHOTS, `example-${name}.png`) });
    }

    const refused = await fetch(`${url}token?user=mallory&channel=$chat:team`);
    assert.equal(refused.status, 403);
    assert.equal((await fetch(`${url}token?user=ada&channel=$chat:other`)).status, 403);
  });
}

/** The version of a package that the tests have. */
const version = (name) => JSON.parse(readFileSync(join(PACKAGES, name, 'package.json'), 'utf8')).version;

test('the examples name the versions that the tests run them with', () => {
  const { dependencies } = JSON.parse(readFileSync(join(EXAMPLES, 'node/package.json'), 'utf8'));
  assert.deepEqual(dependencies, Object.fromEntries(Object.keys(dependencies).map((name) => [name, version(name)])));
  const lines = (path) => readFileSync(path, 'utf8').trim().split('\n');
  const tested = lines(fileURLToPath(new URL('../python/requirements.txt', import.meta.url)));
  for (const line of lines(join(EXAMPLES, 'python/requirements.txt'))) assert.ok(tested.includes(line), line);
});
