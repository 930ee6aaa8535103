// A trial: writers of the real SDKs publish to rooms that are kept on disk, while something happens to the node. In the end
// all that was acknowledged must be in the history, and every writer must have heard its room without gaps.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { BUILDS, connect, subscribe } from '../js/clients.mjs';
import { start } from '../js/node.mjs';
import { until as untilSoon } from '../js/wait.mjs';

export const HERE = fileURLToPath(new URL('.', import.meta.url));
/** On the disk of the checkout: what is in memory survives nothing. */
const TARGET = fileURLToPath(new URL('../../../target', import.meta.url));
const CONFIG = join(HERE, 'config.toml');
/** A node that starts again first reads what it has kept, and its clients come back after that. */
const PATIENCE_MS = 60_000;
export const until = (probe, what) => untilSoon(probe, what, PATIENCE_MS);

/** The nodes that have worked in a folder. */
const nodes = new Map();

/** A folder that goes with the test: when its nodes have ended, after `before(path)`. */
export function folder(t, before = () => {}) {
  const path = mkdtempSync(join(TARGET, 'crash-'));
  nodes.set(path, []);
  t.after(async () => {
    for (const node of nodes.get(path)) await node.kill();
    before(path);
    rmSync(path, { recursive: true, force: true });
  });
  return path;
}

/** Starts a node that keeps `disk:` in a folder. */
export async function startOn(t, path, { env, ...options } = {}) {
  const node = await start(t, { config: CONFIG, env: { RINGPOST_STORE__PATH: path, ...env }, ...options });
  nodes.get(path).push(node);
  return node;
}

/** Publishes one message after the other, and again what was not answered. */
class Writer {
  acknowledged = new Set();
  again = new Set();

  constructor(name, room) {
    Object.assign(this, { name, room });
  }

  async start(t, build, node) {
    this.read = build.read;
    this.client = await connect(t, build, { node, user: this.name });
    this.subscription = await subscribe(this.client, this.room);
    // A test that has failed must not go on.
    t.after(() => { this.stopped = true; });
    this.writing = this.#write(build);
  }

  async #write(build) {
    for (let number = 0; !this.stopped; number += 1) {
      const id = `${this.name}-${number}`;
      while (!this.acknowledged.has(id) && !this.stopped) {
        try {
          await this.subscription.publish(build.write({ id }));
          this.acknowledged.add(id);
        } catch {
          this.again.add(id);
          await sleep(20);
        }
      }
      await sleep(5);
    }
  }

  async stop() {
    this.stopped = true;
    await this.writing;
  }

  /** All that it heard, once it has heard an offset: offsets with messages, and how each recovery ended. */
  async heard(top) {
    const { publication, subscribed } = this.subscription.heard;
    await until(() => publication.all.at(-1)?.offset >= top, `offset ${top} of ${this.room}`);
    return {
      heard: publication.all.map(({ offset, data }) => [offset, this.read(data).id]),
      recoveries: subscribed.all.filter(({ wasRecovering }) => wasRecovering).map(({ recovered }) => recovered),
    };
  }
}

/** The same in Python, in a process of its own. */
class PythonWriter {
  acknowledged = new Set();
  again = new Set();
  #facts = {};

  constructor(name, room) {
    Object.assign(this, { name, room });
  }

  async start(t, build, node) {
    const args = [join(HERE, 'writer.py'), build.name.toLowerCase(), this.name, this.room];
    const env = { ...process.env, SDK_TEST_HTTP_PORT: node.httpPort, PYTHONPATH: join(HERE, '../python') };
    this.child = spawn(process.env.SDK_TEST_PYTHON, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    t.after(() => this.child.kill('SIGKILL'));
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      const { acknowledged, again, ...facts } = JSON.parse(line);
      if (acknowledged) this.acknowledged.add(acknowledged);
      if (again) this.again.add(again);
      Object.assign(this.#facts, facts);
    });
    await until(() => this.#facts.ready, `${this.name} to come in`);
  }

  async stop() {
    this.child.stdin.write('\n');
    await until(() => this.#facts.stopped, `${this.name} to stop`);
  }

  async heard(top) {
    this.child.stdin.write(`${top}\n`);
    await until(() => this.#facts.heard, `${this.name} to have heard ${top}`);
    return this.#facts;
  }
}

/** Offsets with messages of a room, and its epoch. */
export async function history(node, room) {
  const kept = [];
  let since;
  for (;;) {
    const { publications, offset, epoch } = await node.api('history', { channel: room, limit: 1000, ...(since && { since }) });
    kept.push(...publications.map((publication) => [publication.offset, publication.data.id]));
    if (publications.length === 0 || kept.at(-1)[0] >= offset) return { kept, offset, epoch };
    since = { offset: kept.at(-1)[0], epoch };
  }
}

const ROOMS = ['disk:one', 'disk:two'];

/**
 * Makes a trial: so often, once the writers have had so many messages answered, `happens(node)` gives the node to go on with.
 * Then looks for everything.
 */
export async function trial(t, node, { times, each = 100, happens }) {
  const writers = ROOMS.flatMap((room, at) => [new Writer(`js-${at}`, room), new PythonWriter(`py-${at}`, room)]);
  await Promise.all(writers.map((writer, at) => writer.start(t, BUILDS[at >> 1], node)));
  const acknowledged = () => writers.reduce((sum, writer) => sum + writer.acknowledged.size, 0);
  for (let time = 0; time < times; time += 1) {
    const before = acknowledged();
    // Not always at the same place.
    const enough = before + each + Math.floor(Math.random() * each);
    await until(() => acknowledged() >= enough, `${enough} answers`);
    node = await happens(node);
  }
  const before = writers.map((writer) => writer.acknowledged.size);
  await until(() => writers.every((writer, at) => writer.acknowledged.size > before[at] + 5), 'everybody to go on');
  await Promise.all(writers.map((writer) => writer.stop()));
  let twice = 0;
  for (const room of ROOMS) twice += await look(node, room, writers.filter((writer) => writer.room === room));
  const again = writers.reduce((sum, writer) => sum + writer.again.size, 0);
  t.diagnostic(`${acknowledged()} acknowledged, none missing; ${again} sent again, ${twice} of them kept twice`);
  return node;
}

/** Looks at a room; how many messages are in it twice, which only those may be that were sent again. */
async function look(node, room, writers) {
  const { kept, offset } = await history(node, room);
  assert.deepEqual(kept.map(([place]) => place), Array.from({ length: offset }, (_, at) => at + 1), `${room} has holes`);
  const ids = new Set(kept.map(([, id]) => id));
  const acknowledged = writers.flatMap((writer) => [...writer.acknowledged]);
  assert.deepEqual(acknowledged.filter((id) => !ids.has(id)), [], `acknowledged in ${room} and missing`);
  const copies = new Map();
  for (const [, id] of kept) copies.set(id, (copies.get(id) ?? 0) + 1);
  const twice = [...copies].filter(([, count]) => count > 1).map(([id]) => id);
  const again = new Set(writers.flatMap((writer) => [...writer.again]));
  assert.deepEqual(twice.filter((id) => !again.has(id)), [], `twice in ${room}, though sent once`);
  for (const writer of writers) {
    const { heard, recoveries } = await writer.heard(offset);
    assert.ok(recoveries.every((recovered) => recovered), `${writer.name} was refused a recovery`);
    // It came in when the room stood somewhere; from there on it has heard all, once and in order.
    assert.deepEqual(heard, kept.slice(heard[0][0] - 1), `what ${writer.name} heard of ${room}`);
  }
  return twice.length;
}
