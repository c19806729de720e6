import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { beforeAll, describe, expect, it } from 'vitest';
import { createExperiment, type Finished, kontor, kontorVerify, type Platform, startPlatform } from '../platform.js';

const folder = mkdtempSync(join(tmpdir(), 'kontor-tamper-'));
const anchors = join(folder, 'anchors');
const key = join(folder, 'log.key');
let platform: Platform;
let admin: pg.Client;

/** Makes the leaf of a row again from what stands in it, as the append does. @source libs/event-store/sql/000014_append.sql */
const REMADE_LEAF = `sha256('\\x00'::bytea || convert_to(concat_ws(E'\\n', 'kontor/event/1', (SELECT origin FROM es.log_head), pos, event_id, stream_id,
  version, type || '@' || schema_ver, to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), workspace, actor, command_id,
  encode(sha256(convert_to(data::text, 'UTF8')), 'hex'), encode(sha256(convert_to(meta::text, 'UTF8')), 'hex'), ''), 'UTF8'))`;

let exports = 0;
/** Exports what the database holds now and verifies it beside every checkpoint that was kept. */
const audit = async (): Promise<Finished> => {
  const path = join(folder, `${++exports}.jsonl`);
  const exported = await kontor(['export', path], { KONTOR_DATA_DIR: platform.dataDir });
  expect(exported, exported.output).toMatchObject({ exitCode: 0 });
  return kontorVerify(path, '--key', key, '--anchors', anchors);
};

// The platform writes into it until it stops.
beforeAll(() => () => rmSync(folder, { recursive: true }));
beforeAll(async () => {
  platform = await startPlatform({ KONTOR_ANCHOR_DIR: anchors });
  return platform.stop;
});
beforeAll(async () => {
  for (let number = 1; number <= 6; number++) {
    await createExperiment(platform.gatewayUrl, `experiment ${number}`);
    // So that there is more than one checkpoint.
    if (number === 3) await kontor(['checkpoint'], { KONTOR_DATA_DIR: platform.dataDir });
  }
  const keys = await kontor(['checkpoint', '--key'], { KONTOR_DATA_DIR: platform.dataDir });
  writeFileSync(key, keys.output);
  admin = new pg.Client({ connectionString: platform.superuserUrl });
  await admin.connect();
  // What a superuser can do: no trigger fires for this session any more.
  await admin.query("SET session_replication_role = 'replica'");
  await admin.query('CREATE TABLE public.truth AS SELECT * FROM es.event');
  return () => admin.end();
});

// T19: each is done to the truth and undone again.
describe('a superuser who changes history', () => {
  it('has not done so yet', async () => {
    const { exitCode, output } = await audit();
    expect(exitCode, output).toBe(0);
    expect(output).toContain('the log still begins with the earlier checkpoints');
  });

  it.each([
    [
      'changes a byte',
      `UPDATE es.event SET data = replace(data::text, 'experiment 3', 'experiment X')::json WHERE data::text LIKE '%experiment 3"%'`,
      /position \d+: ExperimentCreated of \S+ is not the event that was sealed/,
    ],
    ['deletes a row', 'DELETE FROM es.event WHERE pos = 3', /position 3: missing/],
    [
      'swaps two rows',
      'UPDATE es.event SET pos = 16000000 WHERE pos = 3; UPDATE es.event SET pos = 3 WHERE pos = 4; UPDATE es.event SET pos = 4 WHERE pos = 16000000',
      /position 3: \S+ of \S+ is not the event that was sealed/,
    ],
    [
      'changes when it was recorded',
      `UPDATE es.event SET recorded_at = recorded_at + interval '1 microsecond' WHERE pos = 4`,
      /position 4: \S+ of \S+ is not the event that was sealed/,
    ],
    [
      'makes the leaf anew as well',
      `UPDATE es.event SET actor = 'eve' WHERE pos = 2; UPDATE es.event SET leaf = ${REMADE_LEAF} WHERE pos = 2`,
      /position 2: \S+ of \S+ is not the event that was sealed/,
    ],
    [
      'makes leaf and tile anew',
      `UPDATE es.event SET actor = 'eve' WHERE pos = 2; UPDATE es.event SET leaf = ${REMADE_LEAF} WHERE pos = 2;
      CREATE TABLE public.tiles AS SELECT * FROM es.tile;
      UPDATE es.tile SET content = overlay(content PLACING (SELECT leaf FROM es.event WHERE pos = 2) FROM 33) WHERE level = 0 AND index = 0 AND width >= 2`,
      /checkpoint: the hashes of the bundle are not those that were signed/,
    ],
  ])('and %s is named', async (_, change, named) => {
    await admin.query(change);
    const { exitCode, output } = await audit();
    expect(output).toMatch(named);
    expect(exitCode).toBe(1);
    await admin.query('DELETE FROM es.event; INSERT INTO es.event SELECT * FROM public.truth');
    await admin.query(`DO $$ BEGIN IF to_regclass('public.tiles') IS NOT NULL THEN
      DELETE FROM es.tile; INSERT INTO es.tile SELECT * FROM public.tiles; DROP TABLE public.tiles; END IF; END $$`);
    expect((await audit()).exitCode).toBe(0);
  });

  it('and cuts the tail, or restores an old dump, is named by the checkpoint that was kept', async () => {
    // An old dump knows no later checkpoint either, and says that its head was lower.
    await admin.query(`CREATE TABLE public.seals AS SELECT * FROM es.seal; CREATE TABLE public.head AS SELECT * FROM es.log_head;
      DELETE FROM es.seal WHERE size > (SELECT min(size) FROM es.seal);
      DELETE FROM es.event WHERE pos > (SELECT max(size) FROM es.seal);
      UPDATE es.log_head SET last_pos = (SELECT max(size) FROM es.seal)`);
    const { exitCode, output } = await audit();
    expect(output).toMatch(
      /earlier checkpoint of \d+ \(.*\.checkpoint\): positions \d+ to \d+ were signed earlier and are gone/,
    );
    expect(exitCode).toBe(1);
  });
});
