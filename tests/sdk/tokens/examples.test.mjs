// The programs of docs/TOKENS.md, as they stand there: a node takes the tokens that they make.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Lines } from '../doors/raw.mjs';
import { Guide } from '../guide.mjs';
import { SECRET } from '../js/tokens.mjs';

const TOKENS = new Guide('docs/TOKENS.md');
const here = fileURLToPath(new URL('.', import.meta.url));

/** What a program prints that makes tokens with the node's secret. */
function run(program, args, options) {
  const env = { ...process.env, TOKEN_SECRET: SECRET, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly' };
  return execFileSync(program, args, { encoding: 'utf8', env, ...options });
}

/** Go runs files of a module only. */
function go(t, code) {
  const cwd = mkdtempSync(join(tmpdir(), 'ringpost-token-'));
  t.after(() => rmSync(cwd, { recursive: true, force: true }));
  for (const file of ['go.mod', 'go.sum']) cpSync(join(here, file), join(cwd, file));
  writeFileSync(join(cwd, 'main.go'), code);
  return run('go', ['run', '.'], { cwd });
}

const RUNS = {
  js: (t, input) => run(process.execPath, ['--input-type=module'], { input, cwd: here }),
  python: (t, input) => run(process.env.SDK_TEST_PYTHON, ['-'], { input }),
  go,
  php: (t, input) => run('php', [], { input }),
};

for (const [language, make] of Object.entries(RUNS)) {
  test(`tokens of the program in ${language} open the connection and the channel`, { timeout: 120_000 }, async (t) => {
    const [connection, subscription] = make(t, TOKENS.program(language)).trim().split('\n');
    const client = new Lines(t);
    const { connect } = await client.call('connect', { token: connection });
    assert.ok(connect.ttl > 590 && connect.ttl <= 600, `${connect.ttl} s`);
    const { subscribe } = await client.call('subscribe', { channel: '$chat:team', token: subscription });
    assert.ok(subscribe.ttl > 590 && subscribe.ttl <= 600, `${subscribe.ttl} s`);
    const { presence } = (await client.call('presence', { channel: '$chat:team' })).presence;
    assert.deepEqual(presence[connect.client], { user: '42', client: connect.client, conn_info: { name: 'Ada' } });
  });
}
