import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';

const FLUSH_BLOCK = Buffer.alloc(8192, 1);
const FLUSH_ROUNDS = 500;

/** What the numbers depend on and a reader cannot see. */
export const machineFacts = (): string =>
  [
    `${availableParallelism()} cores (${cpus()[0]?.model.trim() ?? 'unknown'})`,
    `${Math.round(totalmem() / 2 ** 30)} GiB`,
    `load ${loadavg()
      .map((load) => load.toFixed(2))
      .join(' ')}`,
    `Node ${process.versions.node}`,
    `${process.platform} ${process.arch}`,
  ].join(', ');

/** Median-free mean time of one fdatasync of 8 kB in a directory, in microseconds: the floor of every commit. */
export const flushMicros = (directory: string): number => {
  const file = join(directory, 'flush-probe');
  const descriptor = openSync(file, 'w');
  const started = performance.now();
  for (let round = 0; round < FLUSH_ROUNDS; round += 1) {
    writeSync(descriptor, FLUSH_BLOCK, 0, FLUSH_BLOCK.length, 0);
    fdatasyncSync(descriptor);
  }
  const micros = ((performance.now() - started) / FLUSH_ROUNDS) * 1000;
  closeSync(descriptor);
  rmSync(file);
  return micros;
};

/** What PostgreSQL promises and how it is set up, in its own words. */
export const postgresFacts = async (admin: pg.Pool): Promise<string> => {
  const { rows } = await admin.query<{ text: string }>(
    `SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) AS text FROM pg_settings
     WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes', 'server_version', 'shared_buffers', 'max_wal_size')`,
  );
  return rows[0]?.text ?? '';
};
