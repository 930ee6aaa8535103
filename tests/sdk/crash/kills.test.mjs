// A node that is killed, or stopped for a while, under load of the real SDKs: nothing that it acknowledged is missing, and its
// clients come back by themselves. How often it is killed is in CRASHES.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { history, folder, startOn, trial } from './trial.mjs';

const CRASHES = Number(process.env.CRASHES ?? 5);

test(`a node that is killed ${CRASHES} times has lost nothing that it acknowledged`, { timeout: 60_000 + CRASHES * 20_000 }, async (t) => {
  const path = folder(t);
  const node = await startOn(t, path);
  const ports = [node.httpPort, node.tcpPort];
  const { epoch } = await history(node, 'disk:one');
  const last = await trial(t, node, {
    times: CRASHES,
    async happens(running) {
      await running.kill();
      return startOn(t, path, { ports });
    },
  });
  assert.equal((await history(last, 'disk:one')).epoch, epoch, 'the room has lived one life');
});

test('a node that is stopped for a while and goes on has lost nothing', { timeout: 120_000 }, async (t) => {
  const node = await startOn(t, folder(t));
  await trial(t, node, {
    times: 2,
    async happens(running) {
      running.signal('SIGSTOP');
      // Longer than clients wait for a ping.
      await sleep(10_000);
      running.signal('SIGCONT');
      return running;
    },
  });
});

test('a node that ends in time has lost nothing', { timeout: 120_000 }, async (t) => {
  const path = folder(t);
  const node = await startOn(t, path);
  const ports = [node.httpPort, node.tcpPort];
  await trial(t, node, {
    times: 2,
    async happens(running) {
      running.signal('SIGTERM');
      assert.equal(await running.ended(), 0);
      return startOn(t, path, { ports });
    },
  });
});
