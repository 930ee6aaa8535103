// Writes down what Centrifugo says in every conversation: node record.mjs PATH/TO/centrifugo
import { execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { freePort } from '../js/node.mjs';
import { until } from '../js/wait.mjs';
import { calls } from './backend.mjs';
import { conversations, rules } from './client.mjs';
import { World } from './world.mjs';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const [program] = process.argv.slice(2);
const port = await freePort();
const origin = `http://127.0.0.1:${port}`;
const server = spawn(program, ['--config', here('centrifugo.json'), '--http_server.port', port], { stdio: 'inherit' });
try {
  await until(async () => (await fetch(`${origin}/health`)).ok, 'a healthy Centrifugo');
  const said = {};
  for (const [name, conversation] of Object.entries({ ...conversations, ...rules, ...calls })) {
    const world = new World({ websocket: `ws://127.0.0.1:${port}/connection/websocket`, api: `${origin}/api` });
    await conversation(world).catch((error) => { error.message = `${name}: ${error.message}`; throw error; });
    await world.close();
    said[name] = world.transcript;
  }
  // A binary that `go install` made does not know its version; its modules do.
  const modules = execFileSync('go', ['version', '-m', program]).toString();
  const version = `Centrifugo ${/centrifugo\/v6\s+(v\S+)/.exec(modules)[1]}`;
  const lines = Object.entries(said).map(([name, steps]) => `${JSON.stringify(name)}: [\n${steps.map((step) => `  ${JSON.stringify(step)}`).join(',\n')}\n]`);
  writeFileSync(here('centrifugo.recorded.json'), `{\n"version": ${JSON.stringify(version)},\n${lines.join(',\n')}\n}\n`);
} finally {
  server.kill();
}
