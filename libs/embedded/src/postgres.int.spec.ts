import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDatabase, startPostgres } from './postgres.js';
import type { RunningServer } from './server-process.js';

const query = async (url: string, sql: string): Promise<unknown[]> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
};

describe('the embedded PostgreSQL', () => {
  let dataDir: string;
  let lines: string[];
  const started: RunningServer[] = [];
  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'kontor-pg-'));
    await chmod(dataDir, 0o711); // as root, PostgreSQL runs as another user; without this its data would be elsewhere
    lines = [];
  });
  afterEach(async () => {
    await Promise.all(started.splice(0).map((server) => server.stop()));
    await rm(dataDir, { recursive: true });
  });
  const start = async (port?: number): Promise<RunningServer> => {
    const log = (line: string): void => void lines.push(line);
    const server = await startPostgres({ dataDir, log, ...(port !== undefined && { port }) });
    started.push(server);
    return server;
  };
  const siblings = async (part: string): Promise<string[]> =>
    (await readdir(dataDir)).filter((name) => name.includes(part));

  it('keeps what was committed through a kill -9, and comes back under the same address', async () => {
    const first = await start();
    await query(first.url, 'CREATE TABLE fact (n int)');
    await query(first.url, 'INSERT INTO fact SELECT generate_series(1, 1000)');
    process.kill(first.pid, 'SIGKILL');
    expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' });
    const second = await start(first.port);
    expect(second.url).toBe(first.url);
    expect(await query(second.url, 'SELECT count(*)::int AS n FROM fact')).toEqual([{ n: 1000 }]);
  });

  it('ends a postmaster that an earlier start left behind on the same data', async () => {
    const orphan = await start();
    await query(orphan.url, 'CREATE TABLE fact ()');
    const next = await start();
    expect(await orphan.exited).toEqual({ code: 0, signal: null });
    expect(lines.join('\n')).toContain(`ending PostgreSQL ${orphan.pid}`);
    expect(await query(next.url, 'SELECT FROM fact')).toEqual([]);
  });

  it('does not touch a program that has the process id of a dead postmaster', async () => {
    const first = await start();
    const pidFile = join(dataDir, 'postgres', 'cluster', 'postmaster.pid');
    const [, ...rest] = (await readFile(pidFile, 'utf8')).split('\n');
    await first.stop();
    await writeFile(pidFile, [String(process.pid), ...rest].join('\n'), { mode: 0o644 });
    const second = await start();
    expect(await query(second.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
  });

  it('moves an interrupted initialisation aside, deletes nothing, and starts afresh', async () => {
    await mkdir(join(dataDir, 'postgres.initialising-abc123', 'cluster'), { recursive: true });
    await writeFile(join(dataDir, 'postgres.initialising-abc123', 'cluster', 'PG_VERSION'), '18\n');
    await mkdir(join(dataDir, 'postgres', 'cluster'), { recursive: true });
    await writeFile(join(dataDir, 'postgres', 'cluster', 'PG_VERSION'), '18\n');
    const server = await start();
    expect(await query(server.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }]);
    const aside = await siblings('.incomplete-');
    expect(aside).toHaveLength(2);
    for (const name of aside) expect(await readFile(join(dataDir, name, 'cluster', 'PG_VERSION'), 'utf8')).toBe('18\n');
    expect(lines.filter((line) => line.includes('was not completely initialised'))).toHaveLength(2);
  });

  it('refuses a damaged cluster that holds databases, with what to do', async () => {
    const server = await start();
    await createDatabase(server.url, 'kontor');
    await server.stop();
    await unlink(join(dataDir, 'postgres', 'cluster', 'global', 'pg_control'));
    await expect(start()).rejects.toThrow(/holds databases.*restore it from a backup/);
    expect(await siblings('.incomplete-')).toEqual([]);
  });

  it('listens on loopback only, with a password that only its owner may read', async () => {
    const server = await start();
    const addresses = `SELECT setting FROM pg_settings WHERE name = 'listen_addresses'`;
    expect(await query(server.url, addresses)).toEqual([{ setting: '127.0.0.1' }]);
    const wrong = new URL(server.url);
    wrong.password = 'guess';
    await expect(query(wrong.href, 'SELECT 1')).rejects.toThrow('password authentication failed');
    expect((await stat(join(dataDir, 'postgres', 'secret'))).mode & 0o777).toBe(0o600);
    const [{ auth }] = (await query(server.url, `SELECT DISTINCT auth_method AS auth FROM pg_hba_file_rules`)) as [
      { auth: string },
    ];
    expect(auth).toBe('scram-sha-256');
  });

  it.runIf(process.getuid?.() === 0)(
    'keeps its data elsewhere when its user cannot enter the data directory',
    async () => {
      await chmod(dataDir, 0o700);
      const first = await start();
      await query(first.url, 'CREATE TABLE fact ()');
      await first.stop();
      const elsewhere = (await readFile(join(dataDir, 'postgres.location'), 'utf8')).trim();
      try {
        expect(elsewhere).toMatch(/^\/var\/tmp\/kontor-/);
        expect(lines.join('\n')).toContain(`its data is in ${elsewhere}`);
        expect(await readFile(join(elsewhere, 'belongs-to'), 'utf8')).toBe(`${dataDir}\n`);
        const second = await start();
        expect(await query(second.url, 'SELECT FROM fact')).toEqual([]);
        await second.stop();
      } finally {
        await rm(elsewhere, { recursive: true });
      }
    },
  );

  it.runIf(process.getuid?.() === 0)(
    'as root, refuses to begin an empty log elsewhere when the owner of the data cannot enter it any more',
    async () => {
      const server = await start();
      await server.stop();
      await chmod(dataDir, 0o700);
      await expect(start()).rejects.toThrow(/holds PostgreSQL's data, and user id \d+, which owns it, cannot enter it/);
      expect(await siblings('location')).toEqual([]);
      await chmod(dataDir, 0o711);
      await start();
    },
  );

  it('refuses a path that PostgreSQL would cut', async () => {
    const long = [dataDir, ...Array<string>(5).fill('d'.repeat(200))].join('/');
    await expect(startPostgres({ dataDir: long, log: () => undefined })).rejects.toThrow(
      'is too long for PostgreSQL; allowed is a path of at most 900 bytes',
    );
    expect(await readdir(dataDir)).toEqual([]);
  });

  it('creates a database once', async () => {
    const server = await start();
    const url = await createDatabase(server.url, 'kontor');
    expect(await createDatabase(server.url, 'kontor')).toBe(url);
    expect(await query(url, 'SELECT current_database() AS name')).toEqual([{ name: 'kontor' }]);
  });
});
