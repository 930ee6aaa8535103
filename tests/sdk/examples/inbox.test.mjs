// The inboxes of examples/, as programs: what one sends reaches the other, also one that was away, in any language.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

import { start } from '../js/node.mjs';
import { until } from '../js/wait.mjs';
import { copy } from './copy.mjs';

/** How each is started, in a copy of the folder that has the packages of the tests. */
const PROGRAMS = {
  node: () => [process.execPath, 'node/inbox.mjs'],
  python: () => [process.env.SDK_TEST_PYTHON, 'python/inbox.py'],
  go(folder) {
    execFileSync('go', ['build', '-mod=readonly', '-o', 'letters', './inbox'], { cwd: join(folder, 'go') });
    return [join(folder, 'go/letters')];
  },
};

/** Starts a program for a user; gives what it has said, and lets lines be typed. */
function run(t, folder, node, [program, ...args], user, channel) {
  const env = { ...process.env, WEBSOCKET_URL: node.websocket, CHANNEL: channel };
  const child = spawn(program, [...args, user], { cwd: folder, env, stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const lines = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  return {
    lines,
    type: (line) => child.stdin.write(`${line}\n`),
    says: (line) => until(() => lines.includes(line), `"${line}" of ${user}, who said ${JSON.stringify(lines)}`),
    async leave() {
      child.stdin.end();
      if (child.exitCode === null) await once(child, 'exit');
      assert.equal(child.exitCode, 0);
    },
  };
}

for (const name of Object.keys(PROGRAMS)) {
  test(`the inbox in ${name} sends, hears, and gets what came while it was away`, { timeout: 120_000 }, async (t) => {
    const node = await start(t, { dev: true });
    const folder = copy(t);
    const channel = `inbox:${name}`;
    const command = PROGRAMS[name](folder);
    const bob = run(t, folder, node, PROGRAMS.node(folder), 'bob', channel);
    await bob.says('here as bob, 0 unread');
    const ada = run(t, folder, node, command, 'ada', channel);
    await ada.says('here as ada, 0 unread');

    ada.type('hello bob');
    await ada.says('(sent as 1)');
    await bob.says('ada: hello bob');
    await ada.says('(bob: received 1, read 1)');
    await ada.leave();

    bob.type('are you there?');
    bob.type('write when you are back');
    await bob.says('(sent as 3)');
    const back = run(t, folder, node, command, 'ada', channel);
    await back.says('bob: write when you are back');
    await bob.says('(ada: received 3, read 3)');
    const heard = back.lines.filter((line) => line.startsWith('bob: '));
    assert.deepEqual(heard, ['bob: are you there?', 'bob: write when you are back'], 'once, in order');

    // What comes while the last word is young is said before it goes.
    bob.type('one more');
    bob.type('that is all');
    await back.says('bob: that is all');
    await back.leave();
    const again = run(t, folder, node, command, 'ada', channel);
    await again.says('here as ada, 0 unread');
    await Promise.all([again.leave(), bob.leave()]);
  });
}
