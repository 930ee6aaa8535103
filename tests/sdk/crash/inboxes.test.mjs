// A node that is killed under load of users with two devices each, in a room that is delivered at least once: nothing that was
// acknowledged is missing on any device, no floor that was answered goes back, and what comes again was not answered.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

import { BUILDS } from '../js/clients.mjs';
import { Device } from './device.mjs';
import { HERE, folder, history, startOn, until } from './trial.mjs';

const CRASHES = Number(process.env.CRASHES ?? 4);
const ROOM = 'letters:room';
const USERS = ['ada', 'bob', 'cyd'];

/** The laptops: the Python SDK, in a process of its own. */
class Laptops {
  acknowledged = new Set();
  again = 0;
  all = [];
  #facts = {};

  async start(t, node) {
    const args = [join(HERE, 'devices.py'), 'laptop', ROOM, ...USERS];
    const env = { ...process.env, SDK_TEST_HTTP_PORT: node.httpPort, PYTHONPATH: join(HERE, '../python') };
    this.child = spawn(process.env.SDK_TEST_PYTHON, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
    t.after(() => this.child.kill('SIGKILL'));
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      const { acknowledged, again, device, ...facts } = JSON.parse(line);
      if (acknowledged) this.acknowledged.add(acknowledged);
      else if (again) this.again += 1;
      else if (device) this.all.push({ id: device, ...facts, heard: new Map(facts.heard) });
      else Object.assign(this.#facts, facts);
    });
    await until(() => this.#facts.ready, 'the laptops to come in');
  }

  /** Says a line, and waits for what comes of it. */
  async say(line, fact) {
    this.child.stdin.write(`${line}\n`);
    if (fact) await until(() => this.#facts[fact], `the laptops to have ${fact}`);
  }
}

test(`devices of a node that is killed ${CRASHES} times have all that was acknowledged`, { timeout: 60_000 + CRASHES * 20_000 }, async (t) => {
  const path = folder(t);
  let node = await startOn(t, path);
  const ports = [node.httpPort, node.tcpPort];
  const phones = USERS.map((user) => new Device(user, 'phone', ROOM));
  const laptops = new Laptops();
  await Promise.all([...phones.map((phone, at) => phone.start(t, BUILDS[at % 2], node)), laptops.start(t, node)]);
  phones.forEach((phone) => phone.go());
  await laptops.say('go');
  const acknowledged = () => phones.reduce((sum, phone) => sum + phone.acknowledged.size, laptops.acknowledged.size);
  for (let crash = 0; crash < CRASHES; crash += 1) {
    // Not always at the same place.
    const enough = acknowledged() + 100 + Math.floor(Math.random() * 100);
    await until(() => acknowledged() >= enough, `${enough} answers`);
    await node.kill();
    node = await startOn(t, path, { ports });
  }
  const before = acknowledged();
  await until(() => acknowledged() > before + 50, 'all to go on');
  await Promise.all([...phones.map((phone) => phone.stop()), laptops.say('stop', 'stopped')]);

  const { kept, offset } = await history(node, ROOM);
  assert.deepEqual(kept.map(([place]) => place), Array.from({ length: offset }, (_, at) => at + 1), 'the room has holes');
  const ids = kept.map(([, id]) => id);
  assert.equal(new Set(ids).size, ids.length, 'a message that was sent again with its id is there once');
  const known = new Set(ids);
  const sent = [...phones.flatMap((phone) => [...phone.acknowledged]), ...laptops.acknowledged];
  assert.deepEqual(sent.filter((id) => !known.has(id)), [], 'acknowledged and missing');

  await until(() => phones.every((phone) => phone.hasAll(offset)), 'the phones to have all');
  await laptops.say(offset, 'done');
  const devices = [...phones, ...laptops.all];
  assert.equal(devices.length, 2 * USERS.length);
  for (const { id, first, heard, wrong } of devices) {
    assert.deepEqual(wrong, [], id);
    const own = [...heard].sort(([a], [b]) => a - b);
    assert.deepEqual(own, kept.slice(first), `what ${id} has received`);
  }
  for (const user of USERS) {
    const { devices: floors } = await node.api('inbox_positions', { channel: ROOM, user });
    const at = Object.entries(floors).map(([name, { received }]) => [name, received]).sort();
    assert.deepEqual(at, [['laptop', offset], ['phone', offset]], user);
  }
  assert.deepEqual((await node.api('dead_letters_list', { channel: ROOM })).dead_letters, []);
  const again = phones.reduce((sum, phone) => sum + phone.again, laptops.again);
  const duplicates = devices.reduce((sum, device) => sum + device.duplicates, 0);
  t.diagnostic(`${sent.length} acknowledged, on all ${devices.length} devices; ${again} sent again, ${duplicates} received again`);
});
