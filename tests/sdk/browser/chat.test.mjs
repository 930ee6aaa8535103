// The demo page in Chromium: two tabs talk, and survive what happens to connections.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { test } from 'node:test';

import { start } from '../js/node.mjs';
import { until } from '../js/wait.mjs';
import { connected, open, reads, say, texts } from './browser.mjs';

const SHOTS = process.env.SDK_TEST_SHOTS;
const AS_ADMIN = { headers: { 'X-API-Key': 'dev' }, method: 'POST' };

test('two tabs talk, see each other, and go on after a reload, a cut and a restart', { timeout: 90_000 }, async (t) => {
  let node = await start(t, { dev: true });
  const browser = await open(t, node);
  const ada = await browser.tab('ada');
  const bob = await browser.tab('bob');

  await t.test('who is here is listed', async () => {
    for (const page of [ada, bob]) await page.locator('#count', { hasText: 'Here now: 2' }).waitFor();
    assert.match(await ada.locator('#shard').innerText(), /shard [01]/);
    await ada.locator('#latency', { hasText: 'ms' }).waitFor();
  });

  await t.test('what one says the other reads, as text and never as markup', async () => {
    await say(ada, 'Hello <b>Bob</b> & all');
    await reads(bob, 'Hello <b>Bob</b> & all');
    await say(bob, 'Hello Ada');
    await reads(ada, 'Hello Ada');
    assert.deepEqual(await texts(ada), await texts(bob));
  });

  await t.test('typing shows, and goes away with the message', async () => {
    await bob.getByLabel('Message', { exact: true }).pressSequentially('let me see');
    await ada.getByText('bob is typing…').waitFor();
    mkdirSync(SHOTS, { recursive: true });
    await ada.screenshot({ path: `${SHOTS}/chat.png` });
    await bob.keyboard.press('Enter');
    await reads(ada, 'let me see');
    await until(async () => await ada.locator('#typing').innerText() === '', 'no more typing');
  });

  await t.test('another room is told apart, and unread messages are counted', async () => {
    await bob.getByRole('button', { name: 'random' }).click();
    await say(bob, 'over here');
    await ada.getByRole('button', { name: 'random 1' }).waitFor();
    await ada.keyboard.press('Alt+ArrowDown');
    await reads(ada, 'over here');
    for (const page of [ada, bob]) await page.getByRole('button', { name: 'general' }).click();
  });

  await t.test('a reload shows the history', async () => {
    const before = await texts(ada);
    await ada.reload();
    await connected(ada);
    await reads(ada, 'let me see');
    assert.deepEqual(await texts(ada), before);
    const late = await browser.tab('late');
    await reads(late, 'let me see');
    assert.deepEqual(await texts(late), before);
    await late.close();
    await ada.locator('#count', { hasText: 'Here now: 2' }).waitFor();
  });

  await t.test('a tab that is cut off recovers what was said meanwhile', async () => {
    const body = JSON.stringify({ user: 'ada', disconnect: { code: 4000, reason: 'cut' } });
    await fetch(`${node.origin}/api/disconnect`, { ...AS_ADMIN, body });
    await say(bob, 'while you were away');
    await reads(ada, 'while you were away');
    await connected(ada);
    assert.deepEqual(await texts(ada), await texts(bob));
    assert.equal(await ada.locator('.gap').count(), 0);
  });

  await t.test('a restart of the node is survived, and what is said meanwhile is delivered after it', async () => {
    const ports = [node.httpPort, node.tcpPort];
    node.signal('SIGTERM');
    await node.ended();
    for (const page of [ada, bob]) await page.locator('[data-state=reconnecting]').waitFor();
    await say(ada, 'is anybody there?');
    await ada.locator('.message.waiting', { hasText: 'is anybody there?' }).waitFor();
    await ada.screenshot({ path: `${SHOTS}/reconnecting.png` });
    node = await start(t, { dev: true, ports });
    for (const page of [ada, bob]) await connected(page);
    await reads(bob, 'is anybody there?');
    await say(bob, 'yes, again');
    await reads(ada, 'yes, again');
    await ada.getByText('The node forgot this room').waitFor();
  });

  assert.deepEqual(browser.failures, []);
});
