// Conversations on the demo page: ticks for what was sent, received and read, and letters to who is away.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';

import { BUILDS, connect, subscribe } from '../js/clients.mjs';
import { start } from '../js/node.mjs';
import { until } from '../js/wait.mjs';
import { open, reads, say, texts } from './browser.mjs';

const SHOTS = process.env.SDK_TEST_SHOTS;
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

const ticks = (page, fate) => page.locator(`.tick[data-fate=${fate}]`);

test('letters wait for who is away, and their sender sees how far they have come', { timeout: 90_000 }, async (t) => {
  const node = await start(t, { dev: true });
  const browser = await open(t, node);
  mkdirSync(SHOTS, { recursive: true });
  const ada = await browser.tab('ada');
  let bob = await browser.tab('bob');

  await t.test('somebody who is here is written to, and finds the conversation by the first letter', async () => {
    await ada.getByRole('button', { name: 'bob' }).click();
    await say(ada, 'Only for you');
    await reads(ada, 'Only for you');
    await bob.getByRole('button', { name: 'ada 1' }).waitFor();
    await ticks(ada, 'received').waitFor();
    await bob.locator('.room.letters').click();
    await reads(bob, 'Only for you');
    await ticks(ada, 'read').waitFor();
  });

  await t.test('who is away gets what was written meanwhile, once', async () => {
    await bob.close();
    for (const text of ['Are you there?', 'Call me']) await say(ada, text);
    await ticks(ada, 'sent').nth(1).waitFor();
    await ada.screenshot({ path: `${SHOTS}/letters-away.png` });
    bob = await browser.tab('bob');
    await bob.locator('.room.letters', { hasText: 'ada' }).click();
    await reads(bob, 'Call me');
    assert.deepEqual(await texts(bob), ['Only for you', 'Are you there?', 'Call me']);
    await ticks(ada, 'read').nth(2).waitFor();
    await say(bob, 'Back again');
    await reads(ada, 'Back again');
    await ada.screenshot({ path: `${SHOTS}/letters.png` });
  });

  await t.test('a tick opens what has become of the message', async () => {
    await ticks(ada, 'read').last().click();
    const dialog = ada.getByRole('dialog');
    await dialog.getByText('published').waitFor();
    await dialog.getByText('read · bob').waitFor();
    await dialog.getByText('nothing').waitFor();
    await ada.screenshot({ path: `${SHOTS}/letters-trace.png` });
    await ada.addScriptTag({ path: AXE });
    const { violations } = await ada.evaluate(() => window.axe.run(document));
    assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`), []);
    await dialog.getByRole('button', { name: 'Close' }).click();
  });

  await t.test('what a device never takes is given up, and the page sends it again or forgets it', async (t) => {
    const room = await ada.evaluate(() => here.channel);
    const { token } = await (await fetch(`${node.origin}/demo/token?user=bob`, { method: 'POST' })).json();
    const mute = await connect(t, BUILDS[0], { node, token });
    let takes = false;
    const { heard } = await subscribe(mute, room);
    const answer = (method, offset) => mute.rpc(`inbox.${method}`, { channel: room, offset });
    mute.getSubscription(room).on('publication', ({ offset }) => answer(takes ? 'received' : 'retry', offset));
    const call = async (method, body) => {
      const headers = { 'X-API-Key': 'dev' };
      const reply = await fetch(`${node.origin}/api/${method}`, { method: 'POST', headers, body: JSON.stringify(body) });
      return (await reply.json()).result;
    };
    const dead = async () => (await call('dead_letters_list', { channel: room })).dead_letters;
    const giveUp = async (text) => {
      takes = false;
      await say(ada, text);
      await until(async () => (await dead()).length === 1, 'a dead letter');
      await ada.locator('.tick').last().click();
      await dialog.getByText(/bob, \d+ attempts/).waitFor();
    };
    const dialog = ada.getByRole('dialog');
    await giveUp('Do you take this?');
    await ada.screenshot({ path: `${SHOTS}/letters-given-up.png` });
    takes = true;
    const before = heard.publication.all.length;
    await dialog.getByRole('button', { name: 'Send again' }).click();
    await dialog.getByText('nothing').waitFor();
    await heard.publication.at(before);
    await dialog.getByRole('button', { name: 'Close' }).click();
    await giveUp('And this?');
    await dialog.getByRole('button', { name: 'Forget' }).click();
    await dialog.getByText('nothing').waitFor();
    assert.deepEqual(await dead(), []);
    await dialog.getByRole('button', { name: 'Close' }).click();
  });

  await t.test('another name has other conversations', async () => {
    await ada.locator('#me').click();
    await ada.getByLabel('Your name').fill('eve');
    await ada.getByRole('button', { name: 'Join the chat' }).click();
    await ada.locator('h1', { hasText: 'general' }).waitFor();
    assert.equal(await ada.locator('.room.letters').count(), 0);
  });

  assert.deepEqual(browser.failures, []);
});
