// Takes the picture of the README: `tests/sdk/run picture` writes docs/chat.png.
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { start } from '../js/node.mjs';
import { open, reads, say } from './browser.mjs';

const PICTURE = fileURLToPath(new URL('../../../docs/chat.png', import.meta.url));
const TALK = [
  ['Ada', 'The new gateway is up. Three rooms, no polling.'],
  ['Lin', 'I pulled the cable and put it back: everything that I missed is here, in order.'],
  ['Sam', 'Same on the phone, out of the lift.'],
  ['Ada', 'And who is here is right as well.'],
];

test('the picture of the README', { timeout: 60_000 }, async (t) => {
  const node = await start(t, { dev: true, env: { RINGPOST_NAME: 'edge-1' } });
  const browser = await open(t, node);
  const tabs = {};
  for (const name of ['Ada', 'Lin', 'Sam']) {
    tabs[name] = await browser.tab(name);
    await tabs[name].setViewportSize({ width: 1000, height: 560 });
  }
  for (const [name, text] of TALK) {
    await say(tabs[name], text);
    await reads(tabs.Ada, text);
  }
  await tabs.Sam.getByLabel('Message', { exact: true }).pressSequentially('yes');
  await tabs.Ada.locator('#latency', { hasText: 'ms' }).waitFor();
  await tabs.Ada.getByText('Sam is typing…').waitFor();
  await tabs.Ada.screenshot({ path: PICTURE });
});
