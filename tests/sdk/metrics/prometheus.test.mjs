// The metrics as Prometheus takes them, and the board and the alert rules of the documents.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

import { API_KEY, start } from '../js/node.mjs';
import { until } from '../js/wait.mjs';
import { board, file, filled, kafka, prometheus, redis } from './prometheus.mjs';
import { busy } from './traffic.mjs';

function promtool(args, input = '') {
  const { status, stdout, stderr } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  return { status, said: stdout + stderr };
}

test('promtool has nothing to say about the metrics', async (t) => {
  const node = await start(t);
  await busy(t, node);
  for (const accept of ['text/plain', '*/*']) {
    const text = await (await fetch(`${node.origin}/metrics`, { headers: { accept } })).text();
    assert.match(text, /^ringpost_publishes_total\{shard="\d",namespace="chat"\} [1-9]/m);
    assert.deepEqual(promtool(['check', 'metrics'], text), { status: 0, said: '' });
  }
});

test('the alert rules are right, and each one fires', () => {
  const checked = promtool(['check', 'rules', file('alerts.yml')]);
  assert.equal(checked.status, 0, checked.said);
  const tried = promtool(['test', 'rules', file('alerts_test.yml')]);
  assert.equal(tried.status, 0, tried.said);
});

test('a Prometheus that scrapes the node has an answer to every query of the board', async (t) => {
  const { config, env } = await kafka(t);
  const node = await start(t, { config, env: { ...env, ...await redis(t) } });
  await busy(t, node);
  await node.api('publish', { channel: 'relayed:room', data: 1 });
  const metrics = await prometheus(t, node);
  const panels = board.panels.filter(({ targets }) => targets);
  assert.ok(panels.length > 15, `${panels.length} panels`);
  for (const { title, targets } of panels) {
    for (const { expr } of targets) {
      await until(async () => (await metrics.query(filled(expr, '30s'))).length > 0, `${title}: ${expr}`);
    }
  }
  for (const { definition } of board.templating.list.filter(({ type }) => type === 'query')) {
    const [, selector, label] = /^label_values\((.+), (\w+)\)$/.exec(definition);
    const found = await metrics.query(filled(selector, '30s'));
    assert.ok(found.length > 0 && found.every(({ metric }) => metric[label]), definition);
  }
  const rules = await metrics.rules();
  assert.ok(rules.length > 10);
  assert.deepEqual(rules.filter(({ health }) => health === 'err'), []);
});

test('a scrape is in OpenMetrics where it is asked for so', async (t) => {
  const node = await start(t, { env: { RINGPOST_HTTP_API__KEY: API_KEY } });
  const answer = await fetch(`${node.origin}/metrics`, { headers: { accept: 'application/openmetrics-text; version=1.0.0' } });
  assert.match(answer.headers.get('content-type'), /^application\/openmetrics-text; version=1\.0\.0/);
  assert.match(await answer.text(), /\n# EOF\n$/);
});
