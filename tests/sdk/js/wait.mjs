// Waiting for what must come, without sleeping for a time that is right on one machine only.
import { setTimeout as sleep } from 'node:timers/promises';

const PATIENCE_MS = 15_000;

/** Calls `probe` until it gives something true, and gives that. */
export async function until(probe, what, patienceMs = PATIENCE_MS) {
  const end = Date.now() + patienceMs;
  let last;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`in vain waited for: ${what} (last: ${last})`);
    await sleep(20);
  }
}

/** The events of one kind, in order. */
export class Events {
  constructor(emitter, name) {
    this.name = name;
    this.all = [];
    emitter.on(name, (event) => this.all.push(event));
  }

  /** The event at a place, once it has come. */
  at(place) {
    return until(() => this.all[place], `${this.name} number ${place + 1}, have ${this.all.length}`);
  }

  /** The first event that `matches`, once it has come. */
  find(matches, what = 'a certain one') {
    return until(() => this.all.find(matches), `${what} among ${this.all.length} × ${this.name}`);
  }
}
