import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type OutgoingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { kontor, type Platform, repositoryRoot, startPlatform } from '../platform.js';
import { commandLineCases } from './command-line.cases.js';
import { environmentCases } from './environment.cases.js';
import { type Names, prepare, withNames } from './fixture.js';
import { type GraphqlCase, graphqlCases } from './graphql.cases.js';
import { type InferBody, inferenceCases } from './inference.cases.js';
import { mlflowCases } from './mlflow.cases.js';
import { traceCases } from './traces.cases.js';
import { webhookCases } from './webhooks.cases.js';

const TABLE = join(repositoryRoot(), 'apps/cli/demo/employment/models/employment-rules-1/decision-table.json');

let platform: Platform;
let names: Names;
/** The log is read up to here. */
let seen: string;
const emptyDir = mkdtempSync(join(tmpdir(), 'kontor-nothing-'));

const graphql = (query: string, variables: object = {}, headers: Readonly<Record<string, string>> = {}) =>
  fetch(`${platform.gatewayUrl}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query, variables }),
  });

/**
 * What people did since this was asked last. Services go on with what the preparation began: an evaluation, a gate. A refusal
 * that is worth auditing is an event.
 */
const doneByPeople = async (): Promise<readonly string[]> => {
  const done: string[] = [];
  for (;;) {
    const response = await graphql(
      `
        query ($after: LogPosition!) {
          events(after: $after, first: 100) {
            messages {
              ... on Event {
                type
                actor
              }
            }
            endPosition
            hasNextPage
          }
        }
      `,
      { after: seen },
    );
    const { data } = (await response.json()) as {
      data: {
        events: { messages: { type: string; actor: string }[]; endPosition: string; hasNextPage: boolean };
      };
    };
    for (const { type, actor } of data.events.messages)
      if (!actor.startsWith('service:') && type !== 'ArtifactWriteRefused') done.push(`${type} by ${actor}`);
    seen = data.events.endPosition;
    if (!data.events.hasNextPage) return done;
  }
};

const position = async (): Promise<string> => {
  const { data } = (await (await graphql('{ log { position } }')).json()) as { data: { log: { position: string } } };
  return data.log.position;
};

beforeAll(async () => {
  platform = await startPlatform();
  return platform.stop;
});
beforeAll(async () => {
  names = await prepare(platform);
  seen = await position();
});
afterAll(() => rmSync(emptyDir, { recursive: true, force: true }));

// One input that hangs must not hold up all others.
vi.setConfig({ testTimeout: 30_000 });

const shortened = (text: string): string => (text.length > 90 ? `${text.slice(0, 90)}…` : text);

/** Sends what is given and nothing else: `fetch` would tidy the path up and choose the host by itself. */
const sendRaw = (method: string, path: string, headers: OutgoingHttpHeaders, body = '') =>
  new Promise<{ readonly status: number | undefined; readonly text: string }>((resolve, reject) => {
    const { hostname, port } = new URL(platform.gatewayUrl);
    const length = { 'content-length': Buffer.byteLength(body) };
    const sent = request({ hostname, port, method, path, headers: { ...length, ...headers } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode, text }));
    });
    sent.on('error', reject).end(body);
  });

describe("MLflow's API refuses", () => {
  it('more than 300 things', () => expect(mlflowCases.length).toBeGreaterThan(300));

  it.each(
    [...mlflowCases, ...webhookCases, ...traceCases].map(
      (row) => [shortened(`${row.method ?? 'POST'} ${row.path} ${JSON.stringify(row.body ?? '')}`), row] as const,
    ),
  )('%s', async (_, row) => {
    const { method = 'POST', path, body, contentType = 'application/json', ...more } = withNames(row, names);
    const { headers = {}, status, code, says } = more;
    const text = typeof body === 'string' ? body : body && JSON.stringify(body);
    const answered = await sendRaw(
      method,
      path.startsWith('/') ? path : `/api/2.0/${path}`,
      { ...(text !== undefined && contentType !== null && { 'content-type': contentType }), ...headers },
      text,
    );
    expect(answered.status, answered.text).toBe(status);
    const answer = JSON.parse(answered.text) as { error_code: string; message: string };
    expect(answer.error_code, answered.text).toBe(code);
    expect(answer.message).toContain(says);
    expect(await doneByPeople()).toEqual([]);
  });
});

interface GraphqlAnswer {
  /** Doors in front of GraphQL answer in the form that all doors share. */
  readonly error_code?: string;
  readonly data?: { readonly result?: { readonly code?: string; readonly rejection?: string } } | null;
  readonly errors?: readonly { readonly extensions?: { readonly code?: string } }[];
}

describe('GraphQL refuses', () => {
  it.each(graphqlCases.map((row): [string, GraphqlCase] => [row.what, row]))('%s', async (_, row) => {
    const { query, variables, headers, status, code, says } = withNames(row, names);
    const response = await graphql(query, variables, headers);
    const text = await response.text();
    expect(response.status, text).toBe(status);
    const { data, errors, error_code } = JSON.parse(text) as GraphqlAnswer;
    expect(error_code ?? errors?.[0]?.extensions?.code ?? data?.result?.rejection ?? data?.result?.code, text).toBe(
      code,
    );
    expect(text).toContain(says);
  });
});

describe('inference refuses', () => {
  const table = JSON.parse(readFileSync(TABLE, 'utf8')) as { inputs: { name: string; datatype: string }[] };
  const good: InferBody = { inputs: table.inputs.map((input) => ({ ...input, shape: [1, 1], data: [30] })) };
  const infer = (path: string, init: RequestInit) => fetch(`${platform.servingUrl}/v2/${path}`, init);

  it('nothing of the request that all others are made from', async () => {
    const response = await infer(`models/${names.endpoint}/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(good),
    });
    expect(response.status, await response.text()).toBe(200);
  });

  it.each(inferenceCases.map((row) => [row.what, row] as const))('%s', async (_, row) => {
    const { method = 'POST', headers = {}, body, text, status, code } = row;
    const { path, says } = withNames({ path: row.path ?? 'models/$endpoint/infer', says: row.says }, names);
    const response = await infer(path, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      ...(method === 'POST' && { body: text ?? JSON.stringify(body ? body(good) : good) }),
    });
    const answer = await response.text();
    expect(response.status, answer).toBe(status);
    expect(response.headers.get('x-kontor-error-code')).toBe(code);
    expect((JSON.parse(answer) as { error: string }).error).toContain(says);
  });
});

describe('the command line refuses', () => {
  it.each(commandLineCases.map((row) => [shortened(`${row.args.join(' ')} on ${row.on ?? 'platform'}`), row] as const))(
    'kontor %s',
    async (_, { args, on = 'platform', exitCode, says }) => {
      const ended = await kontor(args, { KONTOR_DATA_DIR: on === 'platform' ? platform.dataDir : emptyDir });
      expect(ended.exitCode, ended.output).toBe(exitCode);
      expect(ended.output).toContain(says);
    },
  );
});

describe('the environment is refused', () => {
  it.each(environmentCases.map((row) => [JSON.stringify(row.env), row] as const))(
    '%s',
    async (_, { env, exitCode, says }) => {
      const ended = await kontor(['up'], { KONTOR_DATA_DIR: emptyDir, ...env });
      expect(ended.exitCode, ended.output).toBe(exitCode);
      for (const part of says) expect(ended.output).toContain(part);
    },
  );
});

describe('afterwards', () => {
  it('the log holds nothing that a person did: no refusal was half done', async () => {
    expect(await doneByPeople()).toEqual([]);
  });

  it('every read model equals the log', async () => {
    const { exitCode, output } = await kontor(['replay', '--verify'], { KONTOR_DATA_DIR: platform.dataDir });
    expect(exitCode, output).toBe(0);
  });
});
