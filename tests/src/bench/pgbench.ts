import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const DEBIAN = '/usr/lib/postgresql';

/** PostgreSQL's own benchmark client: Debian's newest, or the one on the path; undefined if the machine has none. */
export const findPgbench = (): string | undefined => {
  const debian = existsSync(DEBIAN)
    ? readdirSync(DEBIAN)
        .toSorted((a, b) => Number(b) - Number(a))
        .map((version) => join(DEBIAN, version, 'bin', 'pgbench'))
    : [];
  return [...debian, 'pgbench'].find((program) => spawnSync(program, ['--version']).status === 0);
};

export interface PgbenchResult {
  /** Transactions per second, without the time to connect. */
  readonly perSecond: number;
  readonly latencyMsAverage: number;
}

/** Runs one SQL script with a number of clients, each statement its own transaction, prepared. */
export const runPgbench = async (options: {
  readonly pgbench: string;
  readonly url: string;
  readonly directory: string;
  readonly sql: string;
  readonly clients: number;
  readonly seconds: number;
}): Promise<PgbenchResult> => {
  const { pgbench, url, directory, sql, clients, seconds } = options;
  const script = join(directory, 'insert.pgbench.sql');
  await writeFile(script, sql);
  const threads = Math.min(2, clients);
  const { stdout } = await promisify(execFile)(pgbench, [
    ...['-n', '-M', 'prepared', '-c', String(clients), '-j', String(threads), '-T', String(seconds), '-f', script],
    url,
  ]);
  const perSecond = Number(/tps = ([\d.]+)/.exec(stdout)?.[1]);
  const latencyMsAverage = Number(/latency average = ([\d.]+) ms/.exec(stdout)?.[1]);
  if (!Number.isFinite(perSecond)) throw new Error(`pgbench gave no rate:\n${stdout}`);
  return { perSecond, latencyMsAverage };
};
