// Runs after everything else: whatever the tests did to the shared node, nothing of it is left.
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { shared } from '../js/node.mjs';
import { until } from '../js/wait.mjs';

for (const gauge of ['conns', 'sessions', 'subscriptions', 'outbox_bytes', 'mailbox_waiting']) {
  test(`no ${gauge} are left`, async () => {
    await until(async () => await shared.metric(`ringpost_${gauge}`) === 0, `${gauge} to be 0`);
  });
}

test('descriptors are back to what a fresh node holds', async () => {
  const before = Number(process.env.SDK_TEST_FDS);
  assert.ok(before > 0);
  // A few: the connections of this test's own HTTP client are open while it looks.
  await until(async () => await shared.metric('process_open_fds') <= before + 3, `${before} open descriptors`);
});

test('the node counted no failure of its own', async () => {
  assert.equal(await shared.metric('ringpost_errors_total', { code: '100' }), 0);
  assert.equal(await shared.metric('ringpost_closes_total', { code: '3004' }), 0);
});
