// A real Prometheus that scrapes a node every second, and the board as it would ask it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { freePort } from '../js/node.mjs';
import { until } from '../js/wait.mjs';

/** A file of docs/metrics. */
export const file = (name) => fileURLToPath(new URL(`../../../docs/metrics/${name}`, import.meta.url));

export const board = JSON.parse(readFileSync(file('board.json'), 'utf8'));

/** A query of the board with its variables filled in: all nodes, all namespaces. */
export function filled(expr, interval) {
  return expr.replaceAll(/\$(instance|namespace)\b/g, '.*').replaceAll('$__rate_interval', interval);
}

/** A Redis for a test, and the variables by which a node finds it. */
export async function redis(t) {
  const [folder, port] = [mkdtempSync(join(tmpdir(), 'ringpost-redis-')), await freePort()];
  const child = spawn('redis-server', ['--port', port, '--bind', '127.0.0.1', '--save', '', '--dir', folder], { stdio: 'ignore' });
  t.after(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    rmSync(folder, { recursive: true, force: true });
  });
  const answers = () => new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); });
    socket.on('error', () => resolve(false));
  });
  await until(answers, 'a Redis');
  return { RINGPOST_CLUSTER__REDIS__ADDRESSES: `127.0.0.1:${port}` };
}

/** Starts it for a test, with the alert rules, and waits until it has scraped the node. */
export async function prometheus(t, node) {
  const [folder, port] = [mkdtempSync(join(tmpdir(), 'ringpost-prometheus-')), await freePort()];
  const config = join(folder, 'prometheus.yml');
  writeFileSync(config, JSON.stringify({
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [file('alerts.yml')],
    scrape_configs: [{ job_name: 'ringpost', static_configs: [{ targets: [`127.0.0.1:${node.httpPort}`] }] }],
  }));
  const child = spawn('prometheus', [
    `--config.file=${config}`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`, '--log.level=warn',
  ], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (data) => { log += data; });
  t.after(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    rmSync(folder, { recursive: true, force: true });
  });
  const ask = async (path, params) => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/${path}?${new URLSearchParams(params)}`);
    const { status, data, error } = await answer.json();
    if (status !== 'success') throw new Error(`${JSON.stringify(params)}: ${error}`);
    return data;
  };
  const query = async (expr) => (await ask('query', { query: expr })).result;
  await until(async () => (await query('up{job="ringpost"} == 1')).length === 1, 'a scrape')
    .catch((error) => { throw new Error(`${error.message}\n${log}`); });
  return {
    query,
    async range(expr, start, end, step) {
      return (await ask('query_range', { query: expr, start, end, step })).result;
    },
    rules: async () => (await ask('rules', {})).groups.flatMap(({ rules }) => rules),
  };
}
