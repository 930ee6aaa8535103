// A real Prometheus that scrapes a node every second, and the board as it would ask it.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { CONFIG, freePort } from '../js/node.mjs';
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

/**
 * A Kafka for a test, with the topics of the way up and down, and a configuration by which a node finds it: that of all tests, with a
 * namespace that goes by it.
 */
export async function kafka(t) {
  const [folder, port, second] = [mkdtempSync(join(tmpdir(), 'ringpost-kafka-')), await freePort(), await freePort()];
  const own = { FOLDER: folder, SECOND: second, PORT: port, NODE: 1, COPIES: 1, VOTERS: `1@127.0.0.1:${second}` };
  const template = readFileSync(new URL('../../kafka/server.properties', import.meta.url), 'utf8');
  const properties = join(folder, 'server.properties');
  // A topic is there once something was written to it.
  const lines = 'auto.create.topics.enable=true\nnum.partitions=4\n';
  writeFileSync(properties, template.replace(/\b(FOLDER|SECOND|PORT|NODE|COPIES|VOTERS)\b/g, (word) => own[word]) + lines);
  const jars = fileURLToPath(new URL('../../../target/tools/kafka/*', import.meta.url));
  const java = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', jars];
  const formatted = spawnSync('java', [...java, 'kafka.tools.StorageTool', 'format', '-t', 'MkU3OEVBNTcwNTJENDM2Qk', '-c', properties]);
  if (formatted.status !== 0) throw new Error(`${formatted.stderr}`);
  const child = spawn('java', [...java, 'kafka.Kafka', properties], { stdio: 'ignore' });
  t.after(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    rmSync(folder, { recursive: true, force: true });
  });
  const brokers = `127.0.0.1:${port}`;
  for (const topic of ['publish', 'publish.dead', 'deliver', 'publications']) {
    const write = () => spawnSync('kcat', ['-P', '-b', brokers, '-t', `ringpost.${topic}`], { input: 'x\n', timeout: 5_000 }).status === 0;
    await until(write, `the topic ${topic}`, 60_000);
  }
  const config = join(folder, 'node.toml');
  const namespace = '\n[[channel.namespaces]]\nname = "relayed"\nlog = "redis"\nacknowledge = "kafka"\nallow_subscribe_for_client = true\n';
  writeFileSync(config, readFileSync(CONFIG, 'utf8') + namespace);
  return { config, env: { RINGPOST_CLUSTER__KAFKA__BROKERS: brokers } };
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
