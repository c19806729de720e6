import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabase, freePort, hold, lockDataDirectory, release, startPostgres } from '@kontor/embedded';
import { pythonWith } from '@kontor/testing';
import pg from 'pg';

/** The newest of the package registry, and the driver that its own documentation names. */
const REQUIREMENTS = 'mlflow==3.17.2\npsycopg2-binary==2.9.11\n';
const READY_DEADLINE_MS = 120_000;
const READY_POLL_MS = 20;
const STATM_PAGE_BYTES = 4_096;

/** MLflow's own tracking server beside its own PostgreSQL, which has our settings. */
export interface RealMlflow {
  readonly url: string;
  readonly database: pg.Pool;
  /** Of the last start, until it answered. */
  readonly readyAfterMs: () => number;
  readonly pids: () => readonly number[];
  readonly restart: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** @throws Error once the process has ended or time is up */
const untilHealthy = async (url: string, child: ChildProcess): Promise<number> => {
  const started = performance.now();
  for (;;) {
    const isHealthy = await fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    const elapsedMs = performance.now() - started;
    if (isHealthy) return elapsedMs;
    if (child.exitCode !== null || elapsedMs > READY_DEADLINE_MS) throw new Error(`${url} did not come up`);
    await new Promise((resolve) => setTimeout(resolve, READY_POLL_MS));
  }
};

/** A process and all below it. @source proc(5), /proc/<pid>/task/<tid>/children */
const family = (pid: number): readonly number[] => {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return [pid, ...(children === '' ? [] : children.split(' ')).flatMap((child) => family(Number(child)))];
};

/** Resident memory of processes in MiB, memory that they share counted once for each. @source proc(5), statm */
export const residentMib = (pids: readonly number[]): number => {
  const pages = pids.map((pid) => Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]));
  return (pages.reduce((sum, count) => sum + count, 0) * STATM_PAGE_BYTES) / 2 ** 20;
};

/** Starts MLflow with its default workers. @throws Error if Python or a package is missing */
export const startRealMlflow = async (): Promise<RealMlflow> => {
  const environment = pythonWith(REQUIREMENTS);
  if ('missing' in environment) throw new Error(environment.missing);
  const directory = await mkdtemp(join(tmpdir(), 'kontor-bench-mlflow-'));
  await chmod(directory, 0o711);
  const lock = await lockDataDirectory(directory);
  const postgres = await startPostgres({ dataDir: directory, log: () => undefined });
  const store = (await createDatabase(postgres.url, 'mlflow')).replace(/^\w+:/, 'postgresql+psycopg2:'); // SQLAlchemy's name
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const start = async (): Promise<{ child: ChildProcess; readyAfterMs: number }> => {
    const args = ['-m', 'mlflow', 'server', '--host', '127.0.0.1', '--port', `${port}`, '--backend-store-uri', store];
    args.push('--artifacts-destination', join(directory, 'artifacts'));
    const child = spawn(environment.python, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    const { pid } = child;
    if (pid === undefined) throw new Error('mlflow server has no process id');
    hold(pid);
    child.once('exit', () => release(pid));
    let words = '';
    child.stderr.on('data', (chunk: Buffer) => (words = `${words}${chunk.toString()}`.slice(-2_000)));
    try {
      return { child, readyAfterMs: await untilHealthy(url, child) };
    } catch (error) {
      throw new Error(`mlflow server did not start: ${words}`, { cause: error });
    }
  };
  const end = async ({ child }: { readonly child: ChildProcess }): Promise<void> => {
    const pids = family(child.pid ?? 0);
    child.kill('SIGTERM');
    await once(child, 'exit');
    for (const pid of pids.slice(1)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
  };
  let running = await start();
  const database = new pg.Pool({ connectionString: store, max: 2 });
  return {
    url,
    database,
    readyAfterMs: () => running.readyAfterMs,
    pids: () => family(running.child.pid ?? 0),
    restart: async () => {
      await end(running);
      running = await start();
    },
    stop: async () => {
      await end(running);
      await database.end();
      await postgres.stop();
      await lock.release();
      await rm(directory, { recursive: true, force: true });
    },
  };
};
