import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createExperiment, kontor, repositoryRoot } from '../platform.js';

const KONTOR = join(repositoryRoot(), 'apps/cli/bin/kontor.mjs');
const VERIFY = join(repositoryRoot(), 'apps/verifier/bin/kontor-verify.mjs');
const START_DEADLINE_MS = 120_000;

const folder = mkdtempSync(join(tmpdir(), 'kontor-epoch-'));
const dataDir = join(folder, 'data');
const env = { KONTOR_DATA_DIR: dataDir, KONTOR_ANCHOR_DIR: join(folder, 'anchors') };
const inFolder = (name: string) => join(folder, name);
let child: ChildProcess | undefined;

/** Starts the platform on the one data directory. @returns what it printed if it ended instead of coming up */
const start = async (): Promise<string | undefined> => {
  const started = spawn(process.execPath, [KONTOR, 'up'], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child = started;
  let output = '';
  for (const stream of [started.stdout, started.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const deadline = performance.now() + START_DEADLINE_MS;
  while (!existsSync(join(dataDir, 'run.json'))) {
    if (started.exitCode !== null) return output;
    if (performance.now() > deadline) throw new Error(`neither up nor ended:\n${output}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return undefined;
};

const stop = async (): Promise<void> => {
  if (!child || child.exitCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'close');
};

const run = async (...args: readonly string[]): Promise<string> => {
  const { exitCode, output } = await kontor(args, env);
  expect(exitCode, output).toBe(0);
  return output;
};

/** Appends an event and keeps the checkpoint that covers it. */
const append = async (name: string): Promise<void> => {
  const { addresses } = JSON.parse(readFileSync(join(dataDir, 'run.json'), 'utf8')) as {
    addresses: { gateway: string };
  };
  await createExperiment(addresses.gateway, name);
  writeFileSync(inFolder(`${name}.checkpoint`), await run('checkpoint'));
};

const verify = (bundle: string, since: string) =>
  spawnSync(process.execPath, [VERIFY, bundle, '--key', inFolder('log.keys'), '--since', since], { encoding: 'utf8' });
const copy = (from: string, to: string): void => {
  expect(spawnSync('cp', ['-a', from, to]).status).toBe(0);
};

beforeAll(() => {
  // PostgreSQL never runs as root, and its user has to pass through.
  chmodSync(folder, 0o711);
});
afterAll(async () => {
  await stop();
  rmSync(folder, { recursive: true, force: true });
});

// T24: the files of a database are put back that are older than a checkpoint which was kept.
it('a log that was restored to before a checkpoint goes on only in a new epoch', async () => {
  expect(await start()).toBeUndefined();
  await append('kept');
  await stop();
  copy(join(dataDir, 'postgres'), inFolder('backup'));
  expect(await start()).toBeUndefined();
  await append('lost');
  await stop();
  rmSync(join(dataDir, 'postgres'), { recursive: true });
  copy(inFolder('backup'), join(dataDir, 'postgres'));

  const refusal = await start();
  const logs = () =>
    ['registry', 'deployment', 'monitoring', 'governance']
      .map((name) => readFileSync(join(dataDir, 'logs', `${name}.log`), 'utf8'))
      .join('\n');
  expect(refusal).toBeDefined();
  expect(`${refusal}${logs()}`).toMatch(/a checkpoint of \d+ events was signed, but the log ends at position \d+/);

  expect(await run('new-epoch', '--yes')).toMatch(/epoch 2 begins at position \d+ as kontor\.example\/log\/0\/e2/);
  expect(await start()).toBeUndefined();
  await append('new');
  writeFileSync(inFolder('log.keys'), await run('checkpoint', '--key'));
  await run('export', inFolder('after.jsonl'));

  const well = verify(inFolder('after.jsonl'), inFolder('kept.checkpoint'));
  expect(well.stdout).toMatch(/all is well[^]*restored: {3}kontor\.example\/log\/0\/e2 from position \d+ on/);
  expect(well.status).toBe(0);
  for (const part of [
    ['--no-events'],
    ['--positions', '2..3'],
    ['--stream', 'default/governance/policy/production-high'],
  ]) {
    const bundle = inFolder(`${part[0]}.jsonl`);
    await run('export', bundle, ...part);
    const { stdout } = spawnSync(process.execPath, [VERIFY, bundle, '--key', inFolder('log.keys')], {
      encoding: 'utf8',
    });
    expect(stdout).toContain('all is well');
  }
  const gone = verify(inFolder('after.jsonl'), inFolder('lost.checkpoint'));
  expect(gone.stdout).toMatch(
    /positions \d+ to \d+ were signed as kontor\.example\/log\/0 and are gone: the log was restored/,
  );
  expect(gone.status).toBe(1);
});
