// Draws the board: `tests/sdk/run board` writes docs/metrics/board.png. A node with some load, a real Prometheus that
// scrapes it, and every panel from its own queries; only the lines are drawn here, not by Grafana.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { Centrifuge } from 'centrifuge';
import WebSocket from 'ws';

import { launch } from '../browser/browser.mjs';
import { start } from '../js/node.mjs';
import { connectionToken } from '../js/tokens.mjs';
import { board, file, filled, kafka, prometheus, redis } from './prometheus.mjs';
import { busy } from './traffic.mjs';

const SECONDS = 90;
const COLOURS = ['#73bf69', '#f2cc0c', '#5794f2', '#ff780a', '#b877d9', '#8ab8ff', '#f2495c', '#96d98d', '#ffb357', '#ca95e5'];

/** Publishes and calls, in waves, until told to stop. */
function load(node, { clients, rooms }) {
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
    const wave = 2 + Math.round(2 * Math.sin(turns / 60));
    for (let number = 0; number < wave; number += 1) rooms[(turns + number) % (rooms.length - 1)].publish({ turns }).catch(() => {});
    if (turns % 3 === 0) node.api('publish', { channel: 'chat:a', data: turns }).catch(() => {});
    if (turns % 5 === 0) node.api('presence', { channel: 'chat:a' }).catch(() => {});
    if (turns % 7 === 0) node.api('history', { channel: 'chat:a', limit: 50 }).catch(() => {});
    if (turns % 40 === 0) node.api('publish', { channel: 'nowhere:a', data: 1 }).catch(() => {});
    if (turns % 50 === 0) clients[turns % clients.length].history('typing:a', { limit: 1 }).catch(() => {});
    if (turns % 30 === 0) {
      const client = clients[(turns / 30) % clients.length];
      client.disconnect();
      client.connect();
    }
  }, 20);
  return () => clearInterval(timer);
}

/** A channel on disk that is received at least once, and one that nodes share. */
const LETTERS = `
[[channel.namespaces]]
name = "letters"
log = "disk"
history_size = 10000
history_ttl = "1h"
delivery = "at_least_once"
members_by_subscribing = true
ack_timeout = "2s"
max_attempts = 2
allow_subscribe_for_client = true
[[channel.namespaces]]
name = "shared"
log = "redis"
history_size = 100
history_ttl = "1h"
allow_subscribe_for_client = true
`;

/** Letters to two users until told to stop: ada says at once that she has received each, bob every nine seconds. */
async function letters(t, node) {
  const channel = 'letters:team';
  const timers = [];
  t.after(() => timers.forEach(clearInterval));
  for (const name of ['ada', 'bob']) {
    const client = new Centrifuge(node.websocket, { websocket: WebSocket, token: connectionToken(name) });
    t.after(() => client.disconnect());
    let newest = 0;
    const say = () => client.rpc('inbox.received', { channel, offset: newest }).catch(() => {});
    const room = client.newSubscription(channel);
    room.on('publication', ({ offset }) => {
      newest = Math.max(newest, offset);
      if (name === 'ada') say();
    });
    if (name === 'bob') timers.push(setInterval(say, 9_000));
    room.subscribe();
    client.connect();
    await room.ready();
  }
  timers.push(setInterval(() => node.api('publish', { channel, data: 'hello' }).catch(() => {}), 100));
}

/** Messages to a channel that nodes share, and to one that goes by way of Kafka, until told to stop. */
async function shared(t, node) {
  const client = new Centrifuge(node.websocket, { websocket: WebSocket, token: connectionToken('eve') });
  t.after(() => client.disconnect());
  client.connect();
  for (const channel of ['shared:hall', 'relayed:hall']) {
    const room = client.newSubscription(channel);
    room.subscribe();
    await room.ready();
    const timer = setInterval(() => node.api('publish', { channel, data: 'hello' }).catch(() => {}), 50);
    t.after(() => clearInterval(timer));
  }
}

const UNITS = {
  bytes: (value) => scaled(value, 1024, ['B', 'KiB', 'MiB', 'GiB']),
  Bps: (value) => scaled(value, 1000, ['B/s', 'kB/s', 'MB/s']),
  s: (value) => scaled(value * 1e6, 1000, ['µs', 'ms', 's']),
  percentunit: (value) => `${(100 * value).toFixed(value < 0.1 ? 1 : 0)} %`,
  ops: (value) => scaled(value, 1000, ['/s', 'k/s', 'M/s']),
  short: (value) => scaled(value, 1000, ['', 'k', 'M']),
};

function scaled(value, base, names) {
  let at = 0;
  for (; value >= base && at < names.length - 1; at += 1) value /= base;
  return `${Number(value.toPrecision(3))} ${names[at]}`.trim();
}

/** The least of 1, 2 and 5 times a power of ten that is no less. */
function step(least) {
  const power = 10 ** Math.floor(Math.log10(least || 1));
  return [1, 2, 5, 10].map((part) => part * power).find((one) => one >= least);
}

const legend = (format, labels) => format.replaceAll(/\{\{(\w+)\}\}/g, (_, name) => labels[name] ?? '').trim();
const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');

function chart({ gridPos, fieldConfig }, series, start) {
  const [width, height, unit] = [gridPos.w * 48 - 24, gridPos.h * 30 - 96, UNITS[fieldConfig.defaults.unit]];
  const points = series.flatMap(({ values }) => values.map(([, value]) => Number(value))).filter(Number.isFinite);
  const top = 4 * step(Math.max(...points, 0) / 4);
  const [x, y] = [(time) => 64 + (time - start) / SECONDS * (width - 68), (value) => height - 18 - value / top * (height - 26)];
  const steps = [0, 0.25, 0.5, 0.75, 1].map((part) => part * top);
  const grid = steps.map((value) => `<line x1="64" x2="${width}" y1="${y(value)}" y2="${y(value)}" stroke="#2c3235"/>
    <text x="58" y="${y(value) + 4}" text-anchor="end">${unit(value)}</text>`);
  const times = [0, 30, 60, 90].map((second) => `<text x="${x(start + second)}" y="${height - 2}" text-anchor="middle">${second} s</text>`);
  const lines = series.map(({ values }, at) => {
    const path = values.filter(([, value]) => Number.isFinite(Number(value))).map(([time, value]) => `${x(time)},${y(Number(value))}`);
    return `<polyline points="${path.join(' ')}" fill="none" stroke="${COLOURS[at % COLOURS.length]}" stroke-width="1.5"/>`;
  });
  const names = series.map(({ name }, at) => `<span><i style="background:${COLOURS[at % COLOURS.length]}"></i>${escaped(name)}</span>`);
  return `<svg width="${width}" height="${height}">${[...grid, ...times, ...lines].join('')}</svg><div class="legend">${names.join('')}</div>`;
}

function drawn(panel, series, start) {
  const { x, y, w, h } = panel.gridPos;
  const place = `grid-column:${x + 1}/span ${w};grid-row:${y + 1}/span ${h}`;
  if (panel.type === 'row') return `<h2 style="${place}">▾ ${panel.title}</h2>`;
  const last = series[0]?.values.at(-1)?.[1];
  const body = panel.type === 'stat' ? `<b>${UNITS[panel.fieldConfig.defaults.unit](Number(last))}</b>` : chart(panel, series, start);
  return `<section style="${place}"><h3>${panel.title}</h3>${body}</section>`;
}

const STYLE = `
  body { margin: 12px; width: 1200px; background: #111217; color: #ccccdc; font: 12px sans-serif }
  main { display: grid; grid-template-columns: repeat(24, 1fr); grid-auto-rows: 26px; gap: 4px }
  section { background: #181b1f; border: 1px solid #25272c; padding: 6px 10px; overflow: hidden }
  h2, h3 { margin: 0 0 4px; font-size: 13px; font-weight: 500 } h2 { align-self: center }
  b { display: block; font: 600 30px sans-serif; color: #73bf69; text-align: center; margin-top: 12px }
  text { fill: #9fa7b3; font-size: 10px } .legend { display: flex; flex-wrap: wrap; gap: 2px 10px; font-size: 11px }
  i { display: inline-block; width: 12px; height: 3px; margin-right: 4px; vertical-align: middle }`;

test('the picture of the board', { timeout: 300_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ringpost-board-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const config = join(folder, 'config.toml');
  const byKafka = await kafka(t);
  writeFileSync(config, readFileSync(byKafka.config, 'utf8') + LETTERS);
  const env = { RINGPOST_NAME: 'edge-1', RINGPOST_STORE__PATH: join(folder, 'store'), ...byKafka.env, ...await redis(t) };
  const node = await start(t, { config, env });
  t.after(load(node, await busy(t, node, 40)));
  await letters(t, node);
  await shared(t, node);
  const metrics = await prometheus(t, node);
  await sleep((SECONDS + 15) * 1000);
  const end = Math.floor(Date.now() / 1000);
  const panels = [];
  for (const panel of board.panels) {
    const series = [];
    for (const { expr, legendFormat } of panel.targets ?? []) {
      const found = await metrics.range(filled(expr, '10s'), end - SECONDS, end, '1s');
      series.push(...found.map(({ metric, values }) => ({ name: legend(legendFormat, metric), values })));
    }
    panels.push(drawn(panel, series, end - SECONDS));
  }
  const page = await (await launch(t)).newPage();
  await page.setContent(`<style>${STYLE}</style><main>${panels.join('')}</main>`);
  await page.locator('body').screenshot({ path: file('board.png') });
});
