import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@kontor/testing';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { kontor, kontorVerify, type Platform, startPlatform } from '../platform.js';

const PERSON = 'person-7f3a';
/** What must be nowhere: the parts that no other text of the platform holds. */
const USER = 'hildegard7731';
const WORDS = 'Read by Hildegard 7731 herself';
const SECRETS = [USER, 'home/hildegard', WORDS];
const ERASED = '[erased]';

const folder = mkdtempSync(join(tmpdir(), 'kontor-erase-'));
const digest = `sha256:${'e'.repeat(64)}`;
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- looks into answers of many shapes
type Answer = Record<string, any>;

let platform: Platform;
let token: string;
let runId: string;

const cli = (...args: string[]) => kontor(args, { KONTOR_DATA_DIR: platform.dataDir });

const verify = (file: string) => kontorVerify(file, '--key', join(folder, 'log.key'));

const post = async (path: string, body: unknown): Promise<Answer> => {
  const response = await fetch(`${platform.gatewayUrl}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return JSON.parse(text) as Answer;
};
const mlflow = (path: string, body: unknown) => post(`/api/2.0/mlflow/${path}`, body);
const graphql = async (query: string, variables: object = {}) => {
  const { data, errors } = await post('/graphql', { query, variables });
  expect(errors).toBeUndefined();
  return data as Answer;
};

/** A session of the superuser, who sees every row of every table. */
const asSuperuser = async <T>(database: string, body: (client: pg.Client) => Promise<T>): Promise<T> => {
  const url = new URL(platform.superuserUrl);
  url.pathname = `/${database}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    return await body(client);
  } finally {
    await client.end();
  }
};

/** Tables of all databases with a row that holds the text. */
const tablesWith = async (text: string): Promise<readonly string[]> => {
  const databases = await asSuperuser('postgres', async (client) => {
    await client.query('CHECKPOINT');
    const { rows } = await client.query<{ datname: string }>('SELECT datname FROM pg_database WHERE datallowconn');
    return rows.map(({ datname }) => datname).filter((name) => name !== 'template1');
  });
  const found: string[] = [];
  for (const database of databases)
    await asSuperuser(database, async (client) => {
      const { rows } = await client.query<{ name: string }>(
        `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
         WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
      );
      for (const { name } of rows) {
        const { rowCount } = await client.query(`SELECT FROM ${name} t WHERE strpos(t::text, $1) > 0 LIMIT 1`, [text]);
        if (rowCount) found.push(`${database}: ${name}`);
      }
    });
  return found;
};

/** Files below a directory that hold the bytes. */
const filesWith = (directory: string, bytes: Buffer | string): readonly string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    // PostgreSQL renames and removes files while we look.
    .filter((file) => {
      try {
        return readFileSync(file).includes(bytes);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
        throw error;
      }
    })
    .map((file) => file.slice(directory.length + 1));

const QUERY = `query Read($runId: ID!, $digest: Digest!) {
  run(runId: $runId) { userId tags { key value } }
  subject(manifestDigest: $digest) { approvals { comment } }
}`;
const AT = `query ReadAt($position: LogPosition!, $runId: ID!, $digest: Digest!) {
  at(position: $position) {
    run(runId: $runId) { userId tags { key value } }
    subject(manifestDigest: $digest) { approvals { comment } }
  }
}`;
const variables = () => ({ runId, digest });

const expectNowhere = async (): Promise<void> => {
  for (const secret of SECRETS) {
    expect(await tablesWith(secret), secret).toEqual([]);
    expect(filesWith(platform.dataDir, secret), secret).toEqual([]);
    expect(filesWith(folder, secret), secret).toEqual([]);
    expect(platform.output()).not.toContain(secret);
  }
};

beforeAll(async () => {
  platform = await startPlatform();
  return platform.stop;
});
beforeAll(async () => {
  const key = await cli('checkpoint', '--key');
  writeFileSync(join(folder, 'log.key'), key.output);
  token = (await cli('token', '--actor', PERSON, '--role', 'owner')).output.trim();

  const tags = [
    { key: 'mlflow.user', value: USER },
    { key: 'mlflow.source.name', value: `/home/${USER}/train.py` },
    { key: 'team', value: 'risk' },
  ];
  const { run } = await mlflow('runs/create', { experiment_id: '0', user_id: USER, start_time: 1, tags });
  runId = run.info.run_id as string;
  // Every change leaves a past row behind.
  await mlflow('runs/log-batch', { run_id: runId, tags: [{ key: 'mlflow.user', value: `${USER}@example.org` }] });
  await mlflow('runs/set-tag', { run_id: runId, key: 'mlflow.user', value: USER });
  await mlflow('runs/delete-tag', { run_id: runId, key: 'mlflow.source.name' });
  await mlflow('experiments/set-experiment-tag', { experiment_id: '0', key: 'mlflow.user', value: USER });
  await graphql(
    `
      mutation Approve($input: GiveApprovalInput!) {
        giveApproval(input: $input) {
          __typename
        }
      }
    `,
    {
      input: {
        subject: { modelName: 'credit', version: 1, manifestDigest: digest },
        ...{ environment: 'PRODUCTION', role: 'owner', meaning: 'APPROVED', comment: WORDS },
      },
    },
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

it('takes a person out of everything, and every proof still holds', async () => {
  const written = await mlflow('runs/search', { experiment_ids: ['0'], filter: "tags.team = 'risk'" });
  expect(written.runs[0]).toMatchObject({ info: { user_id: USER } });
  expect(written.runs[0].data.tags).toContainEqual({ key: 'mlflow.user', value: USER });
  const before = await graphql(QUERY, variables());
  expect(before).toMatchObject({ run: { userId: USER }, subject: { approvals: [{ comment: WORDS }] } });
  const position = await asSuperuser('kontor', async (client) => {
    const { rows } = await client.query<{ last_pos: string }>('SELECT last_pos FROM es.log_head');
    return rows[0]?.last_pos ?? '0';
  });

  // Ciphertext is all that is ever stored; and the search finds what is there.
  await expectNowhere();
  expect(await tablesWith(PERSON)).toEqual(expect.arrayContaining(['kontor: es.event', 'kontor_keys: keys.data_key']));
  expect(await tablesWith('$enc')).toEqual(expect.arrayContaining(['kontor: gateway.runs_v2_past']));
  expect(filesWith(join(platform.dataDir, 'nats'), PERSON)).not.toEqual([]);
  expect(await cli('export', join(folder, 'before.jsonl'))).toMatchObject({ exitCode: 0 });
  const wrapped = await asSuperuser('kontor_keys', async (client) => {
    const { rows } = await client.query<{ wrapped: Buffer }>('SELECT wrapped FROM keys.data_key WHERE subject = $1', [
      PERSON,
    ]);
    return rows[0]?.wrapped ?? Buffer.of();
  });
  const tables = join(platform.dataDir, 'postgres');
  expect(filesWith(tables, wrapped).some((file) => file.includes('base/'))).toBe(true);

  const receipt = join(folder, 'receipt.jsonl');
  const erase = (file: string, person = PERSON) =>
    cli('erase', person, '--reason', 'consent-withdrawn', '--actor', 'dora', '--receipt', file);
  const unknown = await erase(join(folder, 'none.jsonl'), 'person-unknown');
  expect(unknown.exitCode).not.toBe(0);
  expect(unknown.output).toContain('No personal data of this person was ever stored here.');
  const claim = (sql: string) => asSuperuser('kontor', (client) => client.query(sql));
  await claim(
    `INSERT INTO es.claim VALUES ('default', 'governance/legal-hold', '12', 'default/governance/legal-hold/12')`,
  );
  const held = await erase(join(folder, 'held.jsonl'));
  expect(held.output).toContain('A legal hold keeps everything in this workspace until it is released.');
  await claim(`DELETE FROM es.claim WHERE kind = 'governance/legal-hold'`);
  const erased = await erase(receipt);
  expect(erased, erased.output).toMatchObject({ exitCode: 0 });
  expect(readFileSync(receipt, 'utf8')).toContain('SubjectErased');
  const checked = await verify(receipt);
  expect(checked, checked.output).toMatchObject({ exitCode: 0 });
  const again = await erase(join(folder, 'again.jsonl'));
  expect(again, again.output).toMatchObject({ exitCode: 0 });

  const after = {
    run: {
      userId: ERASED,
      tags: expect.arrayContaining([
        { key: 'mlflow.user', value: ERASED },
        { key: 'team', value: 'risk' },
      ]) as unknown,
    },
    subject: { approvals: [{ comment: ERASED }] },
  };
  await eventually(async () => {
    expect(await graphql(QUERY, variables())).toMatchObject(after);
    return true;
  });
  expect(await graphql(AT, { ...variables(), position })).toMatchObject({ at: after });
  expect(await mlflow('runs/search', { experiment_ids: ['0'] })).toMatchObject({
    runs: [{ info: { user_id: ERASED } }],
  });

  // A decider goes on with the marker: the run can still be changed.
  await mlflow('runs/set-tag', { run_id: runId, key: 'mlflow.user', value: 'unnamed' });

  await expectNowhere();
  expect(filesWith(tables, wrapped).filter((file) => file.includes('base/'))).toEqual([]);
  expect(await cli('export', join(folder, 'after.jsonl'))).toMatchObject({ exitCode: 0 });
  for (const bundle of ['before.jsonl', 'after.jsonl']) {
    const result = await verify(join(folder, bundle));
    expect(result, result.output).toMatchObject({ exitCode: 0 });
  }
  expect(readFileSync(join(folder, 'after.jsonl'), 'utf8')).toContain('$enc');
  const replayed = await cli('replay', '--verify');
  expect(replayed, replayed.output).toMatchObject({ exitCode: 0 });
});
