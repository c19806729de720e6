import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createExperiment, type Platform, repositoryRoot, shell, startPlatform } from '../platform.js';

const root = repositoryRoot();
const page = readFileSync(join(root, 'docs/how-to/verify-history.md'), 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'kontor-verify-'));
let platform: Platform;

/** The code blocks of one section of the page, of one language. */
const blocks = (section: string, language: string): readonly string[] => {
  const text = page.split('\n## ').find((part) => part.startsWith(section)) ?? '';
  return [...text.matchAll(new RegExp('```' + language + '\n([^`]*)```', 'g'))].map(([, body = '']) => body);
};

/** Runs commands of the page in a folder of their own. */
const run = (script: string) => shell(script, { cwd: folder, env: { KONTOR_DATA_DIR: platform.dataDir } });

const asSuperuser = async (sql: string): Promise<void> => {
  const client = new pg.Client({ connectionString: platform.superuserUrl });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
};

beforeAll(async () => {
  platform = await startPlatform();
  return platform.stop;
});
beforeAll(async () => {
  for (const name of ['one', 'two', 'three']) await createExperiment(platform.gatewayUrl, name);
});
afterAll(() => rmSync(folder, { recursive: true }));

const post = async (path: string, body: object): Promise<void> => {
  const response = await fetch(`${platform.gatewayUrl}/api/2.0/mlflow/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  expect(response.status, await response.text()).toBe(200);
};

it('a part of the log is a bundle that verifies: a model, a range, a checkpoint', async () => {
  await run('npx kontor checkpoint > early.txt; npx kontor checkpoint --key > part.key');
  await post('runs/create', { experiment_id: '1', start_time: 1 });
  await post('registered-models/create', { name: 'credit' });
  await post('registered-models/create', { name: 'fraud' });
  const model = await run(
    'npx kontor export m.jsonl --model credit --since early.txt; npx kontor-verify m.jsonl --key part.key --since early.txt',
  );
  expect(model.output).toMatch(
    /all is well\n {2}shown: {6}1 event of 1 stream of model credit, each in the log and unchanged\n +default\/registry\/registered-model\/\S+: versions 1 to 1, none missing\n +the log still begins with/,
  );
  expect(model.output).toContain('not shown:  that no later event of these streams follows');
  const typo = await run('npx kontor export n.jsonl --model kredit');
  expect(typo).toMatchObject({
    exitCode: 1,
    output: expect.stringContaining('--model: the log has no model "kredit"; near are credit') as string,
  });
  const range = await run('npx kontor export r.jsonl --positions 2..4; npx kontor-verify r.jsonl --key part.key');
  expect(range.output).toMatch(/all is well\n {2}shown: {6}every event from position 2 to 4, in order, none changed/);
  const none = await run(
    'npx kontor export c.jsonl --no-events --since early.txt; npx kontor-verify c.jsonl --key part.key --since early.txt',
  );
  expect(none.output).toMatch(/all is well\n {2}shown: {6}that the checkpoint is signed\n +the log still begins with/);
  const both = await run('npx kontor export x.jsonl --model credit --endpoint e');
  expect(both).toMatchObject({
    exitCode: 2,
    output: expect.stringContaining('choose one of --model and --endpoint') as string,
  });
});

it('the page on verifying history does what it says: an edit by a superuser is named', async () => {
  const [keep = ''] = blocks('Keep a checkpoint', 'sh');
  expect(await run(keep)).toMatchObject({ exitCode: 0 });
  const [take = ''] = blocks('Take a bundle', 'sh');
  const before = await run(take);
  expect(before, before.output).toMatchObject({ exitCode: 0 });
  expect(before.output).toMatch(
    /before\.jsonl: all is well\n {2}shown: {6}every event from position 1 to \d+, in order/,
  );

  const [change = ''] = blocks('Change the past', 'sql');
  await asSuperuser(change);

  const [see = ''] = blocks('See it named', 'sh');
  const after = await run(see);
  expect(after, after.output).toMatchObject({ exitCode: 1 });
  expect(after.output).toMatch(
    /NOT the log that was signed\n {2}position 3: \w+ of \S+ is not the event that was sealed: actor was "[^"]+", is "somebody-else"\n {2}checkpoint:/,
  );

  // As the page says further on: the end cut off, and the hashes made anew.
  const bundle = readFileSync(join(folder, 'before.jsonl'), 'utf8').trimEnd().split('\n');
  writeFileSync(join(folder, 'cut.jsonl'), `${bundle.slice(0, -1).join('\n')}\n`);
  const cut = await run('npx kontor-verify cut.jsonl --key log.key');
  expect(cut).toMatchObject({ exitCode: 1, output: expect.stringContaining(': missing') as string });
});
