// What the demo page does with the names, texts, screens and networks that people have.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { test } from 'node:test';

import { start } from '../js/node.mjs';
import { until } from '../js/wait.mjs';
import { connected, open, reads, say, texts } from './browser.mjs';

const SHOTS = process.env.SDK_TEST_SHOTS;
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const AS_ADMIN = { headers: { 'X-API-Key': 'dev' }, method: 'POST' };
const PHONE = { width: 360, height: 720 };
const DESKTOP = { width: 1180, height: 760 };

/** Whether the whole of it is on the screen, and nothing lies over its middle. */
const isInReach = (locator) => locator.evaluate((node) => {
  const { left, right, top, bottom } = node.getBoundingClientRect();
  const inside = left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
  return inside && node.contains(document.elementFromPoint((left + right) / 2, (top + bottom) / 2));
});

const isWiderThanTheScreen = (page) => page.evaluate(() => document.documentElement.scrollWidth > innerWidth);

/** Says enough that the log must be scrolled. */
async function fill(page, lines = 30) {
  for (let n = 0; n < lines; n += 1) await say(page, `line ${n}`);
  await reads(page, `line ${lines - 1}`);
}

async function faults(page) {
  await page.evaluate(() => window.axe ?? null).then((known) => known ?? page.addScriptTag({ path: AXE }));
  const { violations } = await page.evaluate(() => window.axe.run(document));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`);
}

test('the demo page serves people of all kinds', { timeout: 120_000 }, async (t) => {
  const node = await start(t, { dev: true });
  const browser = await open(t, node);
  mkdirSync(SHOTS, { recursive: true });
  const tab = async (test, ...args) => {
    const page = await browser.tab(...args);
    test.after(() => page.close());
    return page;
  };

  await t.test('a browser that says it is offline stays connected, and comes back after a cut', async (t) => {
    const page = await tab(t, 'lo', 'loopback');
    await page.evaluate(() => {
      Object.defineProperty(navigator, 'onLine', { get: () => false });
      window.states = [];
      new MutationObserver(() => window.states.push(document.body.dataset.state)).observe(document.body, { attributeFilter: ['data-state'] });
      dispatchEvent(new Event('offline'));
    });
    await say(page, 'still here');
    await reads(page, 'still here');
    assert.ok(!(await page.evaluate(() => window.states)).includes('reconnecting'), 'not dropped');
    const body = JSON.stringify({ user: 'lo', disconnect: { code: 4000, reason: 'cut' } });
    await fetch(`${node.origin}/api/disconnect`, { ...AS_ADMIN, body });
    await until(() => page.evaluate(() => window.states.includes('reconnecting')), 'the cut');
    await connected(page);
    await say(page, 'and back');
    await reads(page, 'and back');
  });

  await t.test('an address that is no escape opens the first room', async (t) => {
    const page = await tab(t, 'percent', '%');
    assert.equal(await page.locator('h1').innerText(), 'general');
    await page.evaluate(() => { location.hash = '#%E0%A4%A'; });
    await until(async () => await page.locator('h1').innerText() === 'e0-a4-a', 'what can be read of it');
  });

  await t.test('rooms have names in every language', async (t) => {
    const page = await tab(t, 'polyglot');
    for (const name of ['команда', '日本語チーム', 'صداقت', 'हिन्दी']) {
      await page.getByLabel('Open a room').fill(`  ${name}! `);
      await page.keyboard.press('Enter');
      assert.equal(await page.locator('h1').innerText(), name);
      await say(page, `hello ${name}`);
      await reads(page, `hello ${name}`);
      const guest = await tab(t, 'guest', encodeURIComponent(name));
      await reads(guest, `hello ${name}`);
    }
    await page.getByLabel('Open a room').fill('!?');
    await page.keyboard.press('Enter');
    assert.equal(await page.locator('h1').innerText(), 'हिन्दी', 'nothing to open');
  });

  await t.test('what is said while a room opens is said once', async (t) => {
    const page = await tab(t, 'hasty');
    await page.evaluate(() => {
      const { send } = WebSocket.prototype;
      WebSocket.prototype.send = function slowly(data) {
        if (data.includes('me first')) setTimeout(() => send.call(this, data), 300);
        else send.call(this, data);
      };
      for (const [field, form, text] of [['#room-name', '#new-room', 'haste'], ['#text', '#say', 'me first']]) {
        document.querySelector(field).value = text;
        document.querySelector(form).requestSubmit();
      }
    });
    await reads(page, 'me first');
    await say(page, 'me second');
    await reads(page, 'me second');
    assert.deepEqual(await texts(page), ['me first', 'me second']);
  });

  await t.test('a name of 300 letters stays in its place', async (t) => {
    for (const room of ['w'.repeat(300), '漢'.repeat(300)]) {
      const page = await tab(t, 'long', encodeURIComponent(room));
      for (const size of [DESKTOP, PHONE]) {
        await page.setViewportSize(size);
        await say(page, 'm'.repeat(300));
        const [title, main] = [await page.locator('h1').boundingBox(), await page.locator('main').boundingBox()];
        assert.ok(title.x + title.width <= main.x + main.width, 'the title ends with the talk');
        assert.ok(!await isWiderThanTheScreen(page));
      }
      await page.screenshot({ path: `${SHOTS}/long.png` });
    }
  });

  await t.test('of two people of one name only one is "You"', async (t) => {
    const [one, other] = [await tab(t, 'sam', 'twins'), await tab(t, 'sam', 'twins')];
    await say(one, 'from one');
    await reads(other, 'from one');
    await say(other, 'from the other');
    await reads(one, 'from the other');
    const names = (page) => page.locator('.message .who bdi').allInnerTexts();
    assert.deepEqual(await names(one), ['You', 'sam']);
    assert.deepEqual(await names(other), ['sam', 'You']);
    const people = await one.locator('#people .person > span:last-child').allTextContents();
    assert.deepEqual(people, ['sam you', 'sam']);
    await one.reload();
    await connected(one);
    await reads(one, 'from the other');
    assert.deepEqual(await names(one), ['You', 'sam'], 'after a reload');
  });

  await t.test('each text has its own direction', async (t) => {
    const page = await tab(t, 'שרה', encodeURIComponent('שיחה'));
    await say(page, 'שלום לכולם! ראו https://example.com/a(b) עכשיו');
    await say(page, 'and one from left to right');
    await reads(page, 'and one from');
    const direction = (locator) => locator.evaluate((node) => getComputedStyle(node).direction);
    const said = page.locator('.message p');
    assert.deepEqual([await direction(said.nth(0)), await direction(said.nth(1))], ['rtl', 'ltr']);
    for (const selector of ['h1', '.room[aria-current=true] span', '#me bdi', '#people bdi']) {
      assert.equal(await direction(page.locator(selector)), 'rtl', selector);
    }
    await page.getByLabel('Message', { exact: true }).fill('עוד');
    assert.equal(await direction(page.locator('#text')), 'rtl');
    await page.screenshot({ path: `${SHOTS}/right-to-left.png` });
  });

  await t.test('web addresses are links, and nothing else is', async (t) => {
    const page = await tab(t, 'linker', 'links');
    const text = 'See http://127.0.0.1/a?b=c&d, (https://example.com/x), https://example.com/y(z). Not javascript:alert(1), data:text/html,x or https://';
    await say(page, text);
    await reads(page, 'See');
    assert.deepEqual(await texts(page), [text]);
    const links = await page.locator('.message a').evaluateAll((all) => all.map(({ href, rel, target }) => ({ href, rel, target })));
    assert.deepEqual(links, ['http://127.0.0.1/a?b=c&d', 'https://example.com/x', 'https://example.com/y(z)'].map((href) => ({ href, rel: 'noopener noreferrer', target: '_blank' })));
  });

  await t.test('who has scrolled up is told of new messages, there and in the title', async (t) => {
    const [reader, writer] = [await tab(t, 'reader', 'news'), await tab(t, 'writer', 'news')];
    await fill(writer);
    await reads(reader, 'line 29');
    assert.equal(await reader.title(), '#news · Ringpost');
    await reader.locator('#log').evaluate((log) => { log.scrollTop = 0; });
    await say(writer, 'first news');
    await say(writer, 'second news');
    const marker = reader.getByRole('button', { name: '2 new messages' });
    await marker.waitFor();
    assert.equal(await reader.title(), '(2) #news · Ringpost');
    assert.equal(await reader.locator('#log').evaluate((log) => log.scrollTop), 0, 'what is being read stays');
    await reader.screenshot({ path: `${SHOTS}/news.png` });
    await marker.click();
    await marker.waitFor({ state: 'hidden' });
    assert.equal(await reader.title(), '#news · Ringpost');
    assert.ok(await isInReach(reader.locator('.message', { hasText: 'second news' })));
  });

  await t.test('a tab in the background counts in its title', async (t) => {
    const [reader, writer] = [await tab(t, 'reader', 'behind'), await tab(t, 'writer', 'behind')];
    const hide = (hidden) => reader.evaluate((hidden) => {
      Object.defineProperty(document, 'hidden', { get: () => hidden, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
    await hide(true);
    await say(writer, 'psst');
    await until(async () => await reader.title() === '(1) #behind · Ringpost', 'one in the title');
    await hide(false);
    assert.equal(await reader.title(), '#behind · Ringpost');
  });

  await t.test('on a phone everything is in reach', async (t) => {
    const page = await tab(t, 'phone', 'pocket');
    await page.setViewportSize(PHONE);
    await fill(page, 12);
    const change = page.getByRole('button', { name: 'Change your name' });
    assert.ok(await isInReach(change), 'the name');
    assert.ok(await isInReach(page.getByRole('button', { name: '1 here' })), 'the people');
    assert.ok(await isInReach(page.locator('#text')), 'the text');
    assert.ok(!await isWiderThanTheScreen(page));
    await page.screenshot({ path: `${SHOTS}/phone.png` });
    await change.click();
    await page.getByLabel('Your name').waitFor();
  });

  await t.test('axe finds no fault, light, dark, on a phone and at the door', async (t) => {
    const [page, other] = [await tab(t, 'axe', 'fair'), await tab(t, 'bo', 'fair')];
    await say(page, 'mine, with https://example.com/');
    await say(other, 'and theirs');
    await reads(page, 'and theirs');
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      for (const [name, size] of Object.entries({ phone: PHONE, desktop: DESKTOP })) {
        await page.setViewportSize(size);
        assert.deepEqual(await faults(page), [], `${colorScheme} ${name}`);
        await page.screenshot({ path: `${SHOTS}/${colorScheme}-${name}.png` });
      }
    }
    await page.getByRole('button', { name: /Change/ }).click();
    assert.deepEqual(await faults(page), [], 'the door');
  });

  assert.deepEqual(browser.failures, []);
});
