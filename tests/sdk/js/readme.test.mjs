// The README's program, as it stands there, in Node.js as it is here.
import { spawn } from 'node:child_process';
import { test } from 'node:test';

import { Guide } from '../guide.mjs';
import { start } from './node.mjs';
import { until } from './wait.mjs';

test('the program of the README hears what a backend publishes', async (t) => {
  const node = await start(t, { dev: true });
  const program = new Guide('README.md').program('js');
  const child = spawn(process.execPath, ['--input-type=module'], { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => child.kill());
  let printed = '';
  child.stdout.on('data', (data) => { printed += data; });
  child.stdin.end(program.replaceAll('127.0.0.1:8000', `127.0.0.1:${node.httpPort}`));
  await until(async () => {
    const headers = { 'X-API-Key': 'dev' };
    const body = JSON.stringify({ channel: 'chat:general', data: { text: 'hello' } });
    await fetch(`${node.origin}/api/publish`, { method: 'POST', headers, body });
    return printed.includes("{ text: 'hello' }");
  }, `a publication, printed ${printed}`);
});
