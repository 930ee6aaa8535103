// A device of a user in a room that is delivered at least once: it sends messages with ids, each again until it is answered, says
// that it has received what it has, and notes what a node must not do.
import { setTimeout as sleep } from 'node:timers/promises';

import { connect, subscribe } from '../js/clients.mjs';

export class Device {
  acknowledged = new Set();
  again = 0;
  duplicates = 0;
  wrong = [];
  heard = new Map();
  /** All up to here it has, has said to have received, and was answered; what it was sent on this connection. */
  have = 0;
  said = 0;
  answered = 0;
  /** Whether that was the answer to its word, or told by a subscription. */
  how = 'answered';
  sent = 0;

  constructor(user, name, room) {
    Object.assign(this, { user, name, room, id: `${user}-${name}` });
  }

  async start(t, build, node) {
    Object.assign(this, { read: build.read, write: build.write });
    this.client = await connect(t, build, { node, user: this.user, claims: { device: this.name } });
    const subscription = await subscribe(this.client, this.room, { wait: false });
    subscription.on('subscribed', (context) => this.#begins(context));
    // A word that waits for the next connection would be answered beside the floor that the next subscription begins at.
    subscription.on('subscribing', () => { this.sent = 0; });
    subscription.on('publication', ({ offset, data }) => this.#hears(offset, this.read(data).id));
    await subscription.ready();
    // A test that has failed must not go on.
    t.after(() => { this.stopped = this.over = true; });
  }

  go() {
    this.sending = this.#send();
  }

  /** Behind its floor: no less than was answered, no more than was said. */
  #begins({ streamPosition: { offset: floor }, recovered }) {
    if (this.first === undefined) {
      this.first = floor;
      this.have = this.said = this.answered = floor;
    } else {
      if (!recovered) this.wrong.push(`was told that it lacks something, behind ${floor}`);
      if (floor < this.answered) this.wrong.push(`a floor of ${this.answered} was ${this.how}, and goes back to ${floor}`);
      if (floor > this.said) this.wrong.push(`a floor of ${floor}, where ${this.said} was said`);
      this.#knows(floor, 'told');
    }
    this.sent = floor;
  }

  #knows(offset, how) {
    if (offset > this.answered) Object.assign(this, { answered: offset, how });
  }

  #hears(offset, id) {
    if (this.heard.has(offset) && this.heard.get(offset) !== id) this.wrong.push(`offset ${offset} is of two messages`);
    if (offset <= this.answered) this.wrong.push(`offset ${offset} came again, and ${this.answered} was ${this.how}`);
    if (offset !== this.sent + 1) this.wrong.push(`offset ${offset} came after ${this.sent}`);
    if (this.heard.has(offset)) this.duplicates += 1;
    this.heard.set(offset, id);
    this.sent = offset;
    while (this.heard.has(this.have + 1)) this.have += 1;
    if (!this.saying) this.saying = this.#say().finally(() => { this.saying = null; });
  }

  async #inbox(method, data) {
    const { data: answer } = await this.client.rpc(`inbox.${method}`, this.write({ channel: this.room, ...data }));
    return this.read(answer);
  }

  /** Says what it has received until that is answered: what it has, and was sent on this connection. */
  async #say() {
    for (let offset; (offset = Math.min(this.have, this.sent)) > this.answered && !this.over;) {
      this.said = Math.max(this.said, offset);
      await this.#inbox('received', { offset })
        .then(() => this.#knows(offset, 'answered'))
        .catch(() => sleep(20));
    }
  }

  async #send() {
    for (let number = 0; !this.stopped; number += 1) {
      const id = `${this.id}-${number}`;
      while (!this.acknowledged.has(id) && !this.stopped) {
        await this.#inbox('send', { id, data: { id } })
          .then(() => this.acknowledged.add(id))
          .catch(() => { this.again += 1; return sleep(20); });
      }
      await sleep(5);
    }
  }

  async stop() {
    this.stopped = true;
    await this.sending;
  }

  /** Whether it has all up to an offset, and was answered so. */
  hasAll(top) {
    return this.answered >= top;
  }
}
