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

export interface Finished {
  readonly exitCode: number | null;
  readonly output: string;
}

/** Runs `kontor <args>` to its end. */
export const kontor = async (args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> => {
  const child = spawn(process.execPath, [KONTOR, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { exitCode, output };
};

export interface Platform {
  readonly dataDir: string;
  readonly gatewayUrl: string;
  readonly servingUrl: string;
  /** Without a password. */
  readonly natsUrl: string;
  /** Everything that the supervisor has printed. */
  readonly output: () => string;
  /** Process ids by component, as they are now. */
  readonly processes: () => Readonly<Record<string, number>>;
  stop(): Promise<void>;
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
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
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
  return {
    dataDir,
    gatewayUrl: addresses['gateway'] ?? '',
    servingUrl: addresses['serving'] ?? '',
    natsUrl: addresses['nats'] ?? '',
    output: () => output,
    processes: () => Object.fromEntries(readRunFile().components.map(({ name, pid }) => [name, pid])),
    stop,
  };
};
