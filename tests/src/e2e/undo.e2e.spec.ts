// The pages on undoing and on asking as of a moment, as they stand there, with the unmodified Python client.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pythonWith } from '@kontor/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { kontor, type Platform, repositoryRoot, shell, startPlatform } from '../platform.js';

const root = repositoryRoot();
const blocks = (page: string, language: string): string[] =>
  [
    ...readFileSync(join(root, 'docs/how-to', page), 'utf8').matchAll(
      new RegExp('```' + language + '\n([\\s\\S]*?)```', 'g'),
    ),
  ].map(([, body = '']) => body);
const environment = pythonWith(readFileSync(join(root, 'tests/src/conformance/mlflow/requirements.txt'), 'utf8'));
const inCi = Boolean(process.env['CI']);
if ('missing' in environment) console.warn(`the Python of docs/how-to/undo.md is not run: ${environment.missing}`);

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
  return platform.stop;
});

/** Runs a program with the client. Importing it takes seconds, so each program does much. @returns its standard output */
const python = async (program: string, token = ''): Promise<string> => {
  if ('missing' in environment) throw new Error(environment.missing);
  const env = { ...process.env, MLFLOW_TRACKING_URI: platform.gatewayUrl, MLFLOW_TRACKING_TOKEN: token };
  const child = spawn(environment.python, ['-c', program], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [output, trouble] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (trouble += chunk.toString()));
  const [exitCode] = (await once(child, 'close')) as [number | null];
  expect(exitCode, trouble).toBe(0);
  return output;
};

const mlflow = async (method: string, path: string, body: object, token?: string) => {
  const response = await fetch(`${platform.gatewayUrl}/api/2.0/mlflow/${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as object };
};

const run = (script: string) =>
  shell(script, { cwd: root, env: { KONTOR_DATA_DIR: platform.dataDir, KONTOR_URL: platform.gatewayUrl } });

const graphql = async (query: string, variables: object = {}) => {
  const response = await fetch(`${platform.gatewayUrl}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of many shapes
  return (await response.json()) as any;
};

const tokenOf = async (actor: string, role: string): Promise<string> => {
  const { output } = await kontor(['token', '--actor', actor, '--role', role], { KONTOR_DATA_DIR: platform.dataDir });
  return output.trim();
};

/** As the owner: what a protected alias keeps. */
const OWNER = `
import json
import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LogisticRegression

client = MlflowClient()
back = client.get_model_version_by_alias("fraud", "champion")
experiment = mlflow.set_experiment("scoring")
with mlflow.start_run() as run:
    info = mlflow.sklearn.log_model(LogisticRegression().fit([[0], [1]], [0, 1]), name="model")
version = mlflow.register_model(info.model_uri, "fraud")
client.set_registered_model_alias("fraud", "champion", version.version)

def tried(deletion, *args):
    try:
        deletion(*args)
        return "deleted"
    except MlflowException as e:
        return f"{e.get_http_status_code()} {e.message}"

print(json.dumps({
    "back": [back.version, dict(back.tags), list(back.aliases)],
    "run": [run.info.run_id, tried(client.delete_run, run.info.run_id)],
    "experiment": [experiment.experiment_id, tried(client.delete_experiment, experiment.experiment_id)],
    "loggedModel": [info.model_id, tried(client.delete_logged_model, info.model_id)],
    "version": [version.version, tried(client.delete_model_version, "fraud", version.version)],
    "model": ["fraud", tried(client.delete_registered_model, "fraud")],
}))
`;

describe.skipIf('missing' in environment && !inCi)('the page on undoing', () => {
  const [preview = '', undo = '', history = ''] = blocks('undo.md', 'sh');
  const [query = '', protect = ''] = blocks('undo.md', 'graphql');

  it('does what it says: a deleted version is back with its alias', async () => {
    const [program = ''] = blocks('undo.md', 'python');
    expect(await python(program)).toBe('');
    const shown = await run(preview);
    expect(shown.exitCode, shown.output).toBe(0);
    for (const line of [
      /^recorded by local:/m,
      /AliasRemoved .*"champion"/,
      /^undoing would record:$/m,
      /^ {2}ModelVersionRestored /m,
    ])
      expect(shown.output).toMatch(line);
    const done = await run(`${preview}\n${undo}`);
    expect(done.exitCode, done.output).toBe(0);
    expect(done.output).toMatch(/^undone:\n +\d+ {2}ModelVersionRestored .*\n +\d+ {2}AliasSet /m);
    const again = await run(`${preview}\n${undo}`);
    expect(again).toMatchObject({ exitCode: 1, output: expect.stringContaining('was changed since') as string });
  });

  it('has the history of the alias, with who and why', async () => {
    const { exitCode, output } = await run(history);
    expect(exitCode, output).toBe(0);
    const { intervals } = JSON.parse(output) as { intervals: readonly object[] };
    expect(intervals).toMatchObject([
      { version: '1', name: 'fraud', from: { reason: null }, to: { reason: 'Version 1 was deleted.' } },
      { version: '1', from: { reason: expect.stringMatching(/^Undo of position \d+\.$/) as string }, to: null },
    ]);
  });

  it('previews over GraphQL, and does it there', async () => {
    for (const description of ['a', 'b'])
      await mlflow('PATCH', 'registered-models/update', { name: 'fraud', description });
    const { data } = await graphql(
      '{ events(first: 100, types: ["RegisteredModelDescribed"]) { messages { ... on Event { position } } } }',
    );
    const [first, second] = data.events.messages.map(({ position }: { position: string }) => position);
    expect((await graphql(query, { position: first })).data.undoPreview).toMatchObject({
      changes: [],
      problems: [{ type: 'RegisteredModelDescribed', reason: 'the description was changed since', isConflict: true }],
    });
    expect((await graphql(query, { position: second })).data.undoPreview).toMatchObject({
      events: [{ position: second, type: 'RegisteredModelDescribed' }],
      changes: [{ type: 'RegisteredModelDescribed', data: { description: 'a', previousDescription: 'b' } }],
      problems: [],
    });
    const mutation = `mutation Undo($input: UndoInput!) { undo(input: $input) { __typename
      ... on UndoPayload { position eventIds events { type } } ... on Rejection { rejection details } } }`;
    const refused = await graphql(mutation, { input: { position: first } });
    expect(refused.data.undo).toMatchObject({ __typename: 'Rejection', rejection: 'UNDO_CONFLICT' });
    const done = await graphql(mutation, { input: { position: second } });
    expect(done.data.undo).toMatchObject({ __typename: 'UndoPayload', events: [{ type: 'RegisteredModelDescribed' }] });
    expect((await graphql('{ registeredModel(name: "fraud") { description } }')).data.registeredModel).toEqual({
      description: 'a',
    });
    expect((await graphql(query, { position: '999999' })).data.undoPreview).toBeNull();
  });

  it('protects an alias from whoever may not release, and what it points to from everybody', async () => {
    expect((await graphql(protect)).data.protectAlias).toEqual({
      registeredModel: { protectedAliases: ['champion'] },
    });
    const [bob, olga] = [await tokenOf('bob', 'data-scientist'), await tokenOf('olga', 'owner')];
    const alias = { name: 'fraud', alias: 'champion' };
    expect(await mlflow('DELETE', 'registered-models/alias', alias, bob)).toEqual({
      status: 409,
      body: {
        error_code: 'RESOURCE_CONFLICT',
        message: "Alias 'champion' of registered model fraud is protected: only owner and admin move it.",
        rejection: 'ALIAS_PROTECTED',
      },
    });
    const {
      back,
      run: ofRun,
      experiment,
      loggedModel,
      version,
      model,
    } = JSON.parse((await python(OWNER, olga)).trim().split('\n').at(-1) ?? '') as Readonly<
      Record<string, readonly unknown[]>
    >;
    expect(back).toEqual(['1', { validated: 'yes' }, ['champion']]);
    const kept = "is the target of the protected alias 'champion'";
    const said = (found: readonly unknown[] | undefined) => String(found?.[1]).replace('RESOURCE_CONFLICT: ', '');
    expect(said(version)).toBe(`409 Model version fraud/2 ${kept} and cannot be deleted.`);
    expect(said(model)).toBe(`409 Registered Model fraud cannot be deleted: its version 2 ${kept}.`);
    const madeOf = 'cannot be deleted: model version fraud/2, which was made of';
    expect(said(ofRun)).toBe(`409 Run ${String(ofRun?.[0])} ${madeOf} it, ${kept}.`);
    expect(said(loggedModel)).toBe(`409 Logged model ${String(loggedModel?.[0])} ${madeOf} it, ${kept}.`);
    expect(said(experiment)).toBe(`409 Experiment ${String(experiment?.[0])} ${madeOf} one of its runs, ${kept}.`);
    const { output } = await kontor(['events', '--json', '--type', 'AliasChangeRefused', '--type', 'DeletionRefused'], {
      KONTOR_DATA_DIR: platform.dataDir,
    });
    const lines = output.trim().split('\n');
    const refusals = lines.map((line) => JSON.parse(line) as { readonly type: string; readonly actor: string });
    expect(refusals.map(({ type, actor }) => `${type} ${actor}`)).toEqual([
      'AliasChangeRefused bob',
      ...Array.from({ length: 5 }, () => 'DeletionRefused olga'),
    ]);
  });
});

it('the page on asking as of a moment does what it says', async () => {
  const name = 'page';
  await mlflow('POST', 'registered-models/create', { name });
  const [asked = ''] = blocks('as-of.md', 'sh');
  const { exitCode, output } = await run(asked);
  expect(exitCode, output).toBe(0);
  expect(output).toContain(`"name":"${name}"`);
});
