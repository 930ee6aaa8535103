// Chromium, and in it the chat page.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const PATIENCE_MS = 15_000;

function browser() {
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  const paths = process.env.PATH.split(':').flatMap((folder) => names.map((name) => join(folder, name)));
  const found = process.env.CHROMIUM ?? paths.find((path) => existsSync(path));
  if (!found) throw new Error('no Chromium is installed; CHROMIUM can name one');
  return found;
}

/** A browser with a profile of its own, which ends with the test. */
export async function launch(t) {
  const profile = mkdtempSync(join(tmpdir(), 'ringpost-chromium-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: browser(),
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'],
    viewport: { width: 1180, height: 760 },
    locale: 'en-GB',
  });
  context.setDefaultTimeout(PATIENCE_MS);
  t.after(async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  });
  return context;
}

/** Opens tabs that share nothing but the node: `tab(user, room)` gives the page of one that has joined. */
export async function open(t, node) {
  const context = await launch(t);
  const failures = [];
  return {
    failures,
    async tab(user, room = 'general') {
      const page = await context.newPage();
      page.on('pageerror', (error) => failures.push(`${user}: ${error}`));
      page.on('request', (request) => {
        const own = [node.origin, 'data:'].some((start) => request.url().startsWith(start));
        if (!own) failures.push(`${user} asked ${request.url()}`);
      });
      await page.goto(`${node.origin}/#${room}`);
      await page.getByLabel('Your name').fill(user);
      await page.getByRole('button', { name: 'Join the chat' }).click();
      await connected(page);
      return page;
    },
  };
}

export const connected = (page) => page.locator('[data-state=connected]').waitFor();

export async function say(page, text) {
  await page.getByLabel('Message', { exact: true }).fill(text);
  await page.keyboard.press('Enter');
}

/** Waits until a message stands in the room. */
export const reads = (page, text) => page.locator('.message:not(.waiting) p').filter({ hasText: text }).waitFor();

export const texts = (page) => page.locator('.message:not(.waiting) p').allInnerTexts();
