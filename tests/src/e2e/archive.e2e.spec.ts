import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createExperiment, type Finished, type Platform, repositoryRoot, shell, startPlatform } from '../platform.js';

const root = repositoryRoot();
const page = readFileSync(join(root, 'docs/how-to/archive.md'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'kontor-archive-'));
let platform: Platform;

/** Runs the commands of one section of the page; everything here is young. */
const run = (section: string, block = 0): Promise<Finished> => {
  const text = page.split('\n## ').find((part) => part.startsWith(section)) ?? '';
  const script = [...text.matchAll(/```sh\n([^`]*)```/g)][block]?.[1] ?? 'false';
  const commands = script.replace('archive 0', 'archive 7').replace(' --to', ' --hot-window 0 --to');
  return shell(commands, { cwd: folder, env: { KONTOR_DATA_DIR: platform.dataDir } });
};

const asSuperuser = async <Row extends pg.QueryResultRow>(sql: string): Promise<readonly Row[]> => {
  const client = new pg.Client({ connectionString: platform.superuserUrl });
  await client.connect();
  try {
    const { rows } = await client.query<Row>(sql);
    return rows;
  } finally {
    await client.end();
  }
};

/**
 * A partition is a range of positions. Here the oldest ends at the next power of two, so that a test can fill it, and is
 * number 7, because the number of the one with the head follows from the production size.
 */
const SMALL_PARTITION = `
  BEGIN;
  LOCK TABLE es.event IN ACCESS EXCLUSIVE MODE;
  SET LOCAL ROLE kontor_owner;
  ALTER TABLE es.event DETACH PARTITION es.event_p0;
  ALTER TABLE es.event_p0 RENAME TO event_p7;
  DO $$ DECLARE above bigint := (SELECT 2 ^ ceil(log(2, last_pos + 1)) + 1 FROM es.log_head); BEGIN
    EXECUTE format('ALTER TABLE es.event ATTACH PARTITION es.event_p7 FOR VALUES FROM (1) TO (%s)', above);
    CREATE TABLE es.event_p0 (LIKE es.event INCLUDING ALL);
    CREATE UNIQUE INDEX ON es.event_p0 (stream_id, version);
    EXECUTE format('ALTER TABLE es.event ATTACH PARTITION es.event_p0 FOR VALUES FROM (%s) TO (16777217)', above);
  END $$;
  COMMIT`;

beforeAll(async () => {
  platform = await startPlatform();
  return platform.stop;
});
beforeAll(async () => {
  await createExperiment(platform.gatewayUrl, 'first');
  await asSuperuser(SMALL_PARTITION);
  for (let number = 0; (await asSuperuser('SELECT FROM es.event_p0 LIMIT 1')).length === 0; number++)
    await createExperiment(platform.gatewayUrl, `experiment ${number}`);
});
afterAll(() => rmSync(folder, { recursive: true }));

it('the page on archiving does what it says', async () => {
  const hold = await run('Put a workspace');
  expect(hold, hold.output).toMatchObject({ exitCode: 0 });
  expect(hold.output).toMatch(/^default +[0-9a-f-]{36} {2}\S+Z {2}\S+: court order 12\n$/);

  // Consumers and the checkpoint are a moment behind the last event.
  let archived = await run('Archive a partition');
  for (let tries = 0; archived.exitCode !== 0 && tries < 20; tries++) archived = await run('Archive a partition');
  expect(archived.output).toMatch(/^archived partition 7: positions 1 to \d+, manifest sha256:[0-9a-f]{64}\n$/);

  const refused = await run('Drop the rows');
  expect(refused, refused.output).toMatchObject({ exitCode: 1 });
  expect(refused.output).toMatch(/^kontor: workspace default is on legal hold [0-9a-f-]{36} and has events in it\n$/);
  const dropped = await run('Drop the rows', 1);
  expect(dropped, dropped.output).toMatchObject({ exitCode: 0 });
  expect(dropped.output).toMatch(/^released \S+\ndropped positions 1 to \d+/);
  expect(await asSuperuser(`SELECT to_regclass('es.event_p7') AS table`)).toEqual([{ table: null }]);

  const read = await run('Read it as before');
  expect(read, read.output).toMatchObject({ exitCode: 0 });
  expect(read.output).toMatch(/all is well\n {2}shown: +every event from position 1 to \d+, in order/);
  const types = await asSuperuser<{ type: string }>(
    `SELECT type FROM es.event WHERE stream_id LIKE 'default/governance/log-archive/%' ORDER BY pos`,
  );
  expect(types.map(({ type }) => type)).toEqual(['LogArchived', 'ArchivedLogDropped']);

  // The platform folds all of it, too.
  await createExperiment(platform.gatewayUrl, 'after the drop');
  const [, last = ''] = /positions 1 to (\d+)/.exec(archived.output) ?? [];
  const [first, second] = ['first', 'second'].map((place) =>
    join(folder, place, `log-1-${last}`, 'events-000000.ndjson.zst'),
  ) as [string, string];
  for (const [file, exitCode] of [
    [first, 0], // the second is read instead
    [second, 1],
  ] as const) {
    const bytes = readFileSync(file);
    writeFileSync(file, bytes.with(bytes.length >> 1, (bytes[bytes.length >> 1] ?? 0) ^ 1));
    rmSync(join(folder, 'all.jsonl'), { force: true });
    const damaged = await run('Read it as before');
    expect(damaged, damaged.output).toMatchObject({ exitCode });
    expect(damaged.output).toContain(`${first}: is not what the manifest says, with events 1 to ${last}`);
  }
});
