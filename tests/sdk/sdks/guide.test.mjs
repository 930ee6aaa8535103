// The programs of docs/SDKS.md, as they stand there: each recovers what was published while it was away.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Guide } from '../guide.mjs';
import { start } from '../js/node.mjs';
import { sign } from '../js/tokens.mjs';
import { until } from '../js/wait.mjs';

const SDKS = new Guide('docs/SDKS.md');
const here = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** How each program is started, in a folder of its own: a command, its arguments, what it is fed. */
const STARTS = {
  js: (folder, code) => [process.execPath, ['--input-type=module'], code],
  python: (folder, code) => [process.env.SDK_TEST_PYTHON, ['-'], code],
  go(folder, code) {
    for (const file of ['go.mod', 'go.sum']) cpSync(here(`go/${file}`), join(folder, file));
    writeFileSync(join(folder, 'main.go'), code);
    execFileSync('go', ['build', '-mod=readonly', '-o', 'program', '.'], { cwd: folder });
    return [join(folder, 'program'), [], ''];
  },
  java(folder, code) {
    writeFileSync(join(folder, 'Main.java'), code);
    return ['java', ['-cp', process.env.SDK_TEST_JAVA, join(folder, 'Main.java')], ''];
  },
};

for (const [language, prepare] of Object.entries(STARTS)) {
  test(`the program in ${language} recovers what it missed`, { timeout: 120_000 }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'ringpost-sdk-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const node = await start(t, { dev: true, env: { RINGPOST_HTTP_API__KEY: 'sdk-key' } });
    const code = SDKS.program(language).replaceAll('127.0.0.1:8000', `127.0.0.1:${node.httpPort}`);
    const [command, args, input] = prepare(folder, code);
    const token = sign({ sub: '42' }, 'ringpost-development-secret-not-for-production');
    const child = spawn(command, args, { cwd: here('.'), env: { ...process.env, TOKEN: token }, stdio: ['pipe', 'pipe', 'inherit'] });
    t.after(() => child.kill('SIGKILL'));
    let printed = '';
    child.stdout.on('data', (data) => { printed += data; });
    child.stdin.end(input);
    const prints = (what) => until(() => printed.includes(what), `${what} in ${printed}`);
    const publish = (text) => node.api('publish', { channel: 'chat:general', data: { text } });

    await prints('subscribed');
    await publish('before');
    await prints('before');
    await node.api('disconnect', { user: '42', disconnect: { code: 4000, reason: 'cut' } });
    await publish('meanwhile');
    await prints('meanwhile');
    assert.match(printed, /subscribed true true/i);
    assert.equal(printed.match(/meanwhile/g).length, 1);
  });
}

test('the guide names the versions that are tried', () => {
  const named = SDKS.text.split('\n').filter((line) => line.startsWith('|')).join('\n');
  const read = (path) => readFileSync(here(path), 'utf8');
  const tried = [
    JSON.parse(read('package.json')).dependencies.centrifuge,
    ...[...read('python/requirements.txt').matchAll(/^(?:cent|centrifuge-python)==(\S+)/gm)].map(([, version]) => version),
    /centrifuge-go v(\S+)/.exec(read('go/go.mod'))[1],
    /gocent\/v3 v(\S+)/.exec(read('go/go.mod'))[1],
    /<artifactId>centrifuge-java<\/artifactId>\s*<version>(\S+)<\/version>/.exec(read('java/pom.xml'))[1],
  ];
  assert.equal(tried.length, 6);
  for (const version of tried) assert.ok(named.includes(`| ${version} |`), version);
});
