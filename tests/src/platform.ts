import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** The checkout under test. */
export const repositoryRoot = (): string => {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'nx.json'))) folder = dirname(folder);
  return folder;
};

const KONTOR = join(repositoryRoot(), 'apps/cli/bin/kontor.mjs');
const VERIFY = join(repositoryRoot(), 'apps/verifier/bin/kontor-verify.mjs');

export interface Finished {
  readonly exitCode: number | null;
  readonly output: string;
}

/** Runs a program to its end; `env` comes on top of this process's own. */
export const run = async (
  command: string,
  args: readonly string[],
  { cwd, env = {} }: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Finished> => {
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode, output };
};

/** Runs `kontor <args>` to its end. */
export const kontor = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> =>
  run(process.execPath, [KONTOR, ...args], { env });

/** Runs `kontor-verify <args>` to its end. */
export const kontorVerify = (...args: readonly string[]): Promise<Finished> => run(process.execPath, [VERIFY, ...args]);

/** Runs commands of a page of the documentation, `npx` being the programs of this checkout. Stops at the first that fails. */
export const shell = (
  script: string,
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
): Promise<Finished> =>
  run('sh', ['-e', '-c', script.replaceAll('npx ', `${join(repositoryRoot(), 'node_modules/.bin')}/`)], options);

/** Appends one event, as an MLflow client does it. @throws Error with the answer if it is refused */
export const createExperiment = async (gatewayUrl: string, name: string): Promise<void> => {
  const response = await fetch(`${gatewayUrl}/api/2.0/mlflow/experiments/create`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name }),
  });
  if (!response.ok) throw new Error(`experiment ${name}: ${response.status} ${await response.text()}`);
};

export interface Platform {
  readonly dataDir: string;
  readonly gatewayUrl: string;
  readonly servingUrl: string;
  /** Without a password. */
  readonly natsUrl: string;
  /** Of the log's database, for the superuser that only the supervisor knows: whoever owns the machine owns it. */
  readonly superuserUrl: string;
  /** Everything that the supervisor has printed. */
  readonly output: () => string;
  /** Process ids by component, as they are now. */
  readonly processes: () => Readonly<Record<string, number>>;
  /** What a `beforeAll` that starts one returns, so that Vitest calls it also if what comes after that fails. */
  readonly stop: () => Promise<void>;
}

/** What `kontor up` writes into its data directory once everything is ready. */
interface RunFile {
  readonly addresses: Readonly<Record<string, string>>;
  readonly components: readonly { readonly name: string; readonly pid: number }[];
}

// Generous: a cold start on a busy two-core machine took a sixth of it. Only a start that hangs reaches it.
const START_DEADLINE_MS = 120_000;

/**
 * A whole platform of its own: real servers, every service, in a data directory that goes when it stops.
 *
 * @throws Error with all output if it does not come up.
 */
export const startPlatform = async (env: NodeJS.ProcessEnv = {}): Promise<Platform> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'kontor-e2e-'));
  // PostgreSQL never runs as root. Another user has to pass through, else its files would lie outside of this directory.
  chmodSync(dataDir, 0o711);
  const child = spawn(process.execPath, [KONTOR, 'up'], {
    env: { ...process.env, KONTOR_DATA_DIR: dataDir, ...env },
    // With a channel: the platform ends when this process is gone, however it died.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const runFile = join(dataDir, 'run.json');
  const readRunFile = () => JSON.parse(readFileSync(runFile, 'utf8')) as RunFile;
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'close');
    }
    rmSync(dataDir, { recursive: true, force: true });
  };

  const deadline = performance.now() + START_DEADLINE_MS;
  while (!existsSync(runFile)) {
    if (child.exitCode !== null || performance.now() > deadline) {
      await stop();
      throw new Error(`the platform did not come up:\n${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const { addresses } = readRunFile();
  const superuserUrl = new URL(addresses['postgres'] ?? '');
  superuserUrl.username = 'postgres';
  superuserUrl.password = readFileSync(join(dataDir, 'postgres', 'secret'), 'utf8').trim();
  return {
    dataDir,
    gatewayUrl: addresses['gateway'] ?? '',
    servingUrl: addresses['serving'] ?? '',
    natsUrl: addresses['nats'] ?? '',
    superuserUrl: superuserUrl.href,
    output: () => output,
    processes: () => Object.fromEntries(readRunFile().components.map(({ name, pid }) => [name, pid])),
    stop,
  };
};
