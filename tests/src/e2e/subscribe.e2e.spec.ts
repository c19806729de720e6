// The page on subscribing, as it stands there: its commands, its TypeScript and its Python, against a platform whose
// nats-server is killed while they read.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, pythonWith } from '@kontor/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createExperiment, kontor, type Platform, repositoryRoot, shell, startPlatform } from '../platform.js';

const root = repositoryRoot();
const page = readFileSync(join(root, 'docs/how-to/subscribe.md'), 'utf8');
const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp('```' + language + '\n([\\s\\S]*?)```', 'g'))].map(([, body = '']) => body);
const environment = pythonWith(/nats-py==[\d.]+/.exec(page)?.[0] ?? '');
const inCi = Boolean(process.env['CI']);
if ('missing' in environment) console.warn(`the Python of docs/how-to/subscribe.md is not run: ${environment.missing}`);

// Below the checkout, where `@kontor/subscriber` is found.
const folder = mkdtempSync(join(root, 'tests/dist/subscribe-'));
const children: ChildProcess[] = [];
let platform: Platform;

const run = (command: string, args: readonly string[]) => {
  const child = spawn(command, args, { cwd: folder, env: { ...process.env, KONTOR_DATA_DIR: platform.dataDir } });
  children.push(child);
  let output = '';
  let trouble = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (trouble += chunk.toString()));
  return { child, lines: () => output.trimEnd().split('\n').filter(Boolean), trouble: () => trouble };
};

/** The log itself, as `<position> <type>`. */
const logged = async (): Promise<string[]> => {
  const { output } = await kontor(['events', '--json'], { KONTOR_DATA_DIR: platform.dataDir });
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { position: string; type: string })
    .map(({ position, type }) => `${position} ${type}`);
};

beforeAll(async () => {
  platform = await startPlatform();
  return platform.stop;
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

it('the page on subscribing does what it says, although nats-server is killed', async () => {
  for (const name of ['one', 'two', 'three']) await createExperiment(platform.gatewayUrl, name);
  for (const script of blocks('sh')) {
    const { exitCode, output } = await shell(script, { cwd: folder, env: { KONTOR_DATA_DIR: platform.dataDir } });
    expect(exitCode, output).toBe(0);
  }

  const [typescript = ''] = blocks('ts');
  writeFileSync(join(folder, 'billing.ts'), typescript);
  const readers = [run(process.execPath, ['billing.ts'])];
  const python = blocks('python');
  expect(python[0]?.trimEnd().split('\n').length).toBeLessThanOrEqual(40);
  if (!('missing' in environment)) {
    writeFileSync(join(folder, 'audit.py'), python.join('\n'));
    readers.push(run(environment.python, ['audit.py']));
  } else if (inCi) throw new Error(environment.missing);
  const haveRead = async (): Promise<void> => {
    const log = await logged();
    for (const { lines, trouble } of readers) {
      await eventually(() => lines().length >= log.length, { timeoutMs: 60_000 }).catch((cause: unknown) => {
        throw new Error(`read ${lines().length} of ${log.length}: ${trouble()}`, { cause });
      });
      expect(lines().map((line) => line.split(' ').slice(0, 2).join(' '))).toEqual(log);
    }
  };

  await haveRead();
  const { nats } = platform.processes();
  process.kill(nats ?? 0, 'SIGKILL');
  // Commands travel through NATS as well: the first that comes through shows that it is back.
  await eventually(() => createExperiment(platform.gatewayUrl, 'four').then(() => true), { timeoutMs: 60_000 });
  for (const name of ['five', 'six', 'seven']) await createExperiment(platform.gatewayUrl, name);
  await haveRead();

  // What the operator sees: nobody stays behind.
  await eventually(async () => {
    const { output } = await kontor(['status', '--json'], { KONTOR_DATA_DIR: platform.dataDir });
    const { lag } = JSON.parse(output) as { lag: { reader: string; behind: string }[] };
    expect(lag.map(({ reader, behind }) => `${reader} ${behind}`)).toEqual(
      ['relay', 'registry', 'deployment', 'monitoring', 'governance', 'gateway'].map((reader) => `${reader} 0`),
    );
    return true;
  });

  // A subscriber that is removed loses its connection and its right to come back.
  const { output } = await kontor(['subscriber', 'list'], { KONTOR_DATA_DIR: platform.dataDir });
  expect(output).toMatch(/^audit .*\nbilling .* of \d+, \d+ waiting {2}all events\n$/);
  const removed = await kontor(['subscriber', 'remove', 'billing'], { KONTOR_DATA_DIR: platform.dataDir });
  expect(removed).toEqual({ exitCode: 0, output: 'removed billing\n' });
  await eventually(() => readers[0]?.child.exitCode !== null, { timeoutMs: 60_000 });
  expect(readers[0]?.trouble()).toMatch(/SubscriberRefused|ConsumerGone/);
  const again = await kontor(['subscriber', 'remove', 'billing'], { KONTOR_DATA_DIR: platform.dataDir });
  expect(again).toMatchObject({ exitCode: 1 });
  expect(again.output).toContain('kontor: there is no subscriber billing; ');
});
