import { request } from 'node:http';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually, prng, uuidv7 } from '@kontor/testing';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { SignJWT } from 'jose';
import { createClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { startTestGateway, type TestGateway } from './gateway.fixture.js';
import { encodeToken } from './graphql/consistency.js';

const endpointStream = (name: string) => `default/deployment/endpoint/${name}`;
const created = (endpoint: string, description = '') => ({ endpoint, environment: 'staging', description });
const create = (endpoint: string) => ({ ...created(endpoint), environment: 'STAGING' });

let gateway: TestGateway;
let nats: NatsConnection;

/** Stands for the deployment service: every command that it gets is appended as the event that it would decide. */
const answerCommands = async (): Promise<void> => {
  nats = await connect({ servers: new URL(gateway.natsUrl).host, ...credentials(gateway.natsUrl) });
  const subscription = nats.subscribe('kontor.cmd.deployment.>');
  void (async () => {
    for await (const message of subscription) {
      const { type, data } = message.json<{ type: string; data?: { endpoint: string; description: string } }>();
      // The page asks whether a service listens with a message that is no command.
      if (data === undefined) continue;
      if (type === 'RollBack') {
        message.respond(
          JSON.stringify({ outcome: 'rejected', code: 'NOTHING_TO_ROLL_BACK_TO', message: 'No.', details: {} }),
        );
        continue;
      }
      const position = await gateway.append(endpointStream(data.endpoint), 'EndpointCreated', data);
      const accepted = { outcome: 'accepted', position: String(position), version: '1', eventIds: [uuidv7()] };
      message.respond(JSON.stringify(accepted));
    }
  })();
};

const credentials = (url: string) => {
  const { username, password } = new URL(url);
  return username === '' ? {} : { user: decodeURIComponent(username), pass: decodeURIComponent(password) };
};

const CREATE = `mutation ($input: CreateEndpointInput!) { createEndpoint(input: $input) {
  ... on CreateEndpointPayload { position eventIds endpoint { endpoint description } }
  ... on Problem { code message path } } }`;

beforeAll(async () => {
  gateway = await startTestGateway();
  await answerCommands();
});
afterAll(async () => {
  await nats.close();
  await gateway.stop();
});

describe('consistency', () => {
  it('shows a mutation in its own answer and in the next read, 1,000 times, with the token and without', async () => {
    const PAIRS = 1_000;
    const WRITERS = 10;
    let stale = 0;
    let next = 0;
    const write = async (): Promise<void> => {
      for (let n = next++; n < PAIRS; n = next++) {
        const endpoint = `fresh-${n}`;
        const mutated = await gateway.graphql(CREATE, { variables: { input: create(endpoint) } });
        expect(mutated.errors).toEqual([]);
        if (mutated.data.createEndpoint.endpoint?.endpoint !== endpoint) stale += 1;
        // One process answers both, and it answers a mutation only when its rows are there.
        const headers = n % 2 === 0 ? {} : { 'kontor-consistency': mutated.extensions.consistency.token };
        const read = await gateway.graphql(`{ position endpoint(endpoint: "${endpoint}") { endpoint } }`, { headers });
        if (read.data.endpoint?.endpoint !== endpoint) stale += 1;
        if (BigInt(read.data.position) < BigInt(mutated.data.createEndpoint.position)) stale += 1;
      }
    };
    await Promise.all(Array.from({ length: WRITERS }, write));
    expect(stale).toBe(0);
  });

  it('answers a past position twice with the same bytes, and two moments in one request', async () => {
    const before = await gateway.append(endpointStream('moments'), 'EndpointCreated', created('moments'));
    const suspended = { endpoint: 'moments', reason: 'x', by: 'ada', byUseCase: false, at: '2026-06-01T12:00:00Z' };
    const after = await gateway.append(endpointStream('moments'), 'EndpointSuspended', suspended);
    await gateway.server.gateway.log.wait(after);
    const query = `{
      before: at(position: "${before}") { position endpoint(endpoint: "moments") { suspension { by } } }
      after: at(position: "${after}") { position endpoint(endpoint: "moments") { suspension { by } } } }`;
    const [one, two] = [await gateway.graphql(query), await gateway.graphql(query)];
    expect(one.data).toEqual({
      before: { position: String(before), endpoint: { suspension: null } },
      after: { position: String(after), endpoint: { suspension: { by: 'ada' } } },
    });
    expect(JSON.stringify(two.data)).toBe(JSON.stringify(one.data));
  });

  it('waits for the later of several tokens, and hands back the token of a wait that was too short', async () => {
    const { log } = gateway.server.gateway;
    const tokens = [0n, await log.head()].map((position) => encodeToken(log.identity, position)).join(', ');
    const answer = await gateway.graphql('{ position }', { headers: { 'kontor-consistency': tokens } });
    expect(BigInt(answer.data.position)).toBeGreaterThanOrEqual(await log.head());
    const token = encodeToken(log.identity, (await log.head()) + 1n);
    const headers = { 'kontor-consistency': token, 'kontor-wait-ms': '0' };
    expect((await gateway.graphql('{ position }', { headers })).errors[0]?.extensions).toMatchObject({ token });
  });

  it('leaves the other root fields their answers when one fails', async () => {
    const { data, errors } = await gateway.graphql('{ position events(first: 101) { endPosition } log { origin } }');
    expect(errors.map(({ extensions }) => extensions.code)).toEqual(['BAD_USER_INPUT']);
    expect(data).toMatchObject({ events: null, log: { origin: gateway.server.gateway.log.identity.origin } });
  });

  it('answers about the log as it was, and refuses to say how late rows were then', async () => {
    const { data, errors } = await gateway.graphql(
      '{ at(position: "2") { log { position readPosition } events { endPosition } freshness { lagMs } } }',
    );
    expect(data.at).toEqual({
      log: { position: '2', readPosition: '2' },
      events: { endPosition: '2' },
      freshness: null,
    });
    expect(errors[0]?.message).toContain('is about now');
  });

  it('asks for the parts of a list in as many statements as there are kinds of rows', async () => {
    const models = Array.from({ length: 100 }, (_, n) => `m-${String(n).padStart(32, '0')}`);
    for (const modelId of models) {
      const stream = `default/registry/registered-model/${modelId}`;
      const model = { modelId, name: modelId, description: '', tags: [], isPrompt: false };
      await gateway.append(stream, 'RegisteredModelCreated', model);
    }
    await gateway.server.gateway.log.wait(await gateway.server.gateway.log.head());
    const asked: string[] = [];
    const { pool } = gateway.server.gateway;
    const query = pool.query.bind(pool) as (...sent: unknown[]) => Promise<unknown>;
    const counted = (...sent: unknown[]) => {
      const [text] = sent;
      if (typeof text === 'string' && text.includes('valid_from')) asked.push(text);
      return query(...sent);
    };
    Object.assign(pool, { query: counted });
    try {
      const { data, errors } = await gateway.graphql(
        `{ registeredModels(first: 100) { nodes { name versions(first: 3) { totalCount nodes { version subject { authors } } } } } }`,
      );
      expect(errors).toEqual([]);
      expect(data.registeredModels.nodes).toHaveLength(100);
    } finally {
      Object.assign(pool, { query });
    }
    expect(asked).toHaveLength(3);
  });

  it('refuses moments that have no answer, each with its code', async () => {
    const code = async (query: string) => (await gateway.graphql(query)).errors[0]?.extensions.code;
    expect(await code('{ at(position: "99999999") { position } }')).toBe('POSITION_IN_FUTURE');
    expect(await code('{ at(position: "0") { position } }')).toBe('POSITION_BEFORE_FIRST');
    expect(await code('{ at(time: "2999-01-01T00:00:00Z") { position } }')).toBe('TIME_IN_FUTURE');
    expect(await code('{ at(time: "1999-01-01T00:00:00Z") { position } }')).toBe('TIME_BEFORE_FIRST');
    expect(await code('{ at { position } }')).toBe('BAD_USER_INPUT');
    expect(await code('{ at(time: "2026-02-30T00:00:00Z") { position } }')).toBe('GRAPHQL_VALIDATION_FAILED');
    expect(await code('{ at(position: "1") { at(position: "1") { position } } }')).toBe('DOCUMENT_LIMIT');
  });

  it('says CONSISTENCY_TIMEOUT and nothing stale for a position that is not reached', async () => {
    const token = Buffer.from(JSON.stringify([gateway.server.gateway.log.identity.origin, '1', '99999999'])).toString(
      'base64url',
    );
    const headers = { 'kontor-consistency': token, 'kontor-wait-ms': '50' };
    const answer = await gateway.graphql('{ position }', { headers });
    expect(answer.errors[0]?.extensions).toMatchObject({ code: 'CONSISTENCY_TIMEOUT', wanted: '99999999' });
    expect(answer.data ?? null).toBeNull();
    const foreign = await gateway.graphql('{ position }', { headers: { 'kontor-consistency': 'x' } });
    expect(foreign.errors[0]?.extensions.code).toBe('CONSISTENCY_TOKEN_INVALID');
  });

  it('lists in pages that neither repeat nor skip while the log moves on', async () => {
    const seen: string[] = [];
    let after: string | null = null;
    for (let page = 0; ; page += 1) {
      const query =
        'query ($after: String) { endpoints(first: 30, after: $after) { nodes { endpoint } pageInfo { hasNextPage endCursor } totalCount } }';
      const { data, errors } = await gateway.graphql(query, { variables: { after } });
      expect(errors).toEqual([]);
      seen.push(...data.endpoints.nodes.map(({ endpoint }: { endpoint: string }) => endpoint));
      if (!data.endpoints.pageInfo.hasNextPage) {
        expect(seen.length).toBe(data.endpoints.totalCount);
        break;
      }
      after = data.endpoints.pageInfo.endCursor as string;
      const position = await gateway.append(
        endpointStream(`a-late-${page}`),
        'EndpointCreated',
        created(`a-late-${page}`),
      );
      await gateway.server.gateway.log.wait(position);
    }
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((name) => name.startsWith('a-late'))).toEqual([]);
  });

  it('answers with rejections, bad input and missing services as data', async () => {
    const roll =
      'mutation { rollBack(input: { endpoint: "moments", reason: "x" }) { __typename ... on Rejection { rejection } } }';
    expect((await gateway.graphql(roll)).data.rollBack).toEqual({
      __typename: 'Rejection',
      rejection: 'NOTHING_TO_ROLL_BACK_TO',
    });
    const bad =
      'mutation { rollBack(input: { clientMutationId: "x", endpoint: "m", reason: "x" }) { __typename ... on ValidationError { path } } }';
    expect((await gateway.graphql(bad)).data.rollBack).toEqual({
      __typename: 'ValidationError',
      path: ['clientMutationId'],
    });
    const away =
      'mutation { suspendUseCase(input: { useCaseId: "u", reason: "x" }) { __typename ... on Problem { code } } }';
    expect((await gateway.graphql(away)).data.suspendUseCase).toEqual({
      __typename: 'ServiceUnavailableError',
      code: 'UNAVAILABLE',
    });
  });

  it('finds every listed entity again by its id', async () => {
    const listed = await gateway.graphql('{ endpoints(first: 3) { nodes { id endpoint } } }');
    for (const { id, endpoint } of listed.data.endpoints.nodes) {
      const found = await gateway.graphql('query ($id: ID!) { node(id: $id) { id ... on Endpoint { endpoint } } }', {
        variables: { id },
      });
      expect(found.data.node).toEqual({ id, endpoint });
    }
  });
});

const subscribeClient = () =>
  createClient({
    url: `${gateway.server.url.replace('http', 'ws')}/graphql`,
    webSocketImpl: class extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols, { headers: { host: new URL(url).host } });
      }
    },
    retryAttempts: 0,
  });

describe('subscriptions', () => {
  it('begin after a position that a mutation has just answered with, and show what comes next', async () => {
    const client = subscribeClient();
    let { data } = await gateway.graphql(CREATE, { variables: { input: create('next-0') } });
    for (let n = 1; n <= 50; n += 1) {
      const { position } = data.createEndpoint;
      const query = `subscription { events(after: "${position}") { ... on Event { position } } }`;
      const events = client.iterate<{ events: { position: string } }>({ query });
      const next = events.next();
      data = (await gateway.graphql(CREATE, { variables: { input: create(`next-${n}`) } })).data;
      const { value } = await next;
      expect(value).toEqual({ data: { events: { position: data.createEndpoint.position } } });
      await events.return?.(undefined);
    }
    await client.dispose();
  });

  it('lose nothing and repeat nothing over random disconnects', async () => {
    const seed = Number(process.env['KONTOR_SEED'] ?? Date.now() % 1_000_000);
    console.info(`subscription seed ${seed} (KONTOR_SEED repeats it)`);
    const chance = prng(seed);
    const EVENTS = 300;
    const start = await gateway.server.gateway.log.head();
    const received: bigint[] = [];
    let after = start;
    const writing = (async () => {
      for (let n = 0; n < EVENTS; n += 1)
        await gateway.append(endpointStream(`sub-${n}`), 'EndpointCreated', created(`sub-${n}`));
    })();
    let connections = 0;
    while (received.length < EVENTS) {
      connections += 1;
      const client = subscribeClient();
      const until = 1 + Math.floor(chance() * 60);
      let taken = 0;
      const query = `subscription { events(after: "${after}") { ... on Event { position } } }`;
      for await (const { data } of client.iterate<{ events: { position?: string } }>({ query })) {
        const position = BigInt(data?.events.position ?? 0);
        received.push(position);
        after = position;
        taken += 1;
        if (taken === until || received.length === EVENTS) break;
      }
      await client.dispose();
    }
    await writing;
    expect(received).toEqual(Array.from({ length: EVENTS }, (_, n) => start + 1n + BigInt(n)));
    expect(connections).toBeGreaterThan(3);
    const page = await gateway.graphql(
      `{ events(after: "${start}", first: 100) { messages { ... on Event { position } } } }`,
    );
    const replayed = page.data.events.messages.map(({ position }: { position: string }) => BigInt(position));
    expect(replayed).toEqual(received.slice(0, 100));
  });
});

describe('limits', () => {
  it('refuse a large page instead of cutting it, and a large body', async () => {
    const list = 'query ($n: Int) { endpoints(first: $n) { nodes { endpoint } } }';
    expect((await gateway.graphql(list, { variables: { n: 101 } })).errors[0]?.message).toContain('between 1 and 100');
    const large = await fetch(`${gateway.server.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ query: `{ position } # ${'x'.repeat(300 * 1024)}` }),
    });
    expect(large.status).toBe(413);
  });
});

/** A request whose Host is not the address; fetch does not allow that. */
const statusOf = (headers: Record<string, string>, path = '/graphql'): Promise<number> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(gateway.server.url);
    const sent = request({ hostname, port, path, headers }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', reject);
    sent.on('upgrade', (_response, socket) => {
      socket.destroy();
      resolve(101);
    });
    sent.end();
  });

describe('doors', () => {
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-protocol': 'graphql-transport-ws',
  };

  it('refuse a foreign Host or Origin on HTTP and WebSocket', async () => {
    expect(await statusOf({ host: 'evil.example' })).toBe(403);
    expect(await statusOf({ host: 'localhost', origin: 'https://evil.example' })).toBe(403);
    expect(await statusOf({ ...upgrade, host: 'evil.example' })).toBe(403);
    expect(await statusOf({ ...upgrade, host: 'localhost', origin: 'https://evil.example' })).toBe(403);
    expect(await statusOf({ ...upgrade, host: 'localhost' })).toBe(101);
    expect(await statusOf({ ...upgrade, host: 'localhost' }, '/graphql/x')).toBe(404);
  });

  it('show a page, health and version', async () => {
    for (const path of ['/', '/health', '/health/live', '/health/ready', '/version']) {
      expect((await fetch(`${gateway.server.url}${path}`)).status).toBe(200);
    }
    expect((await fetch(`${gateway.server.url}/favicon.ico`)).status).toBe(204);
  });

  it('show questions on the page that are answered as they stand, each one click away', async () => {
    const response = await fetch(`${gateway.server.url}/`);
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'");
    const page = await response.text();
    expect(page).toContain('database<td class="up">runs');
    expect(page).toContain('governance<td class="down">does not answer');
    const questions = [...page.matchAll(/href="\/explorer\?query=([^"]+)"/g)].map(([, query = '']) =>
      decodeURIComponent(query),
    );
    expect(questions.length).toBeGreaterThan(5);
    for (const query of questions) {
      if (query.startsWith('subscription')) {
        const client = subscribeClient();
        for await (const { data, errors } of client.iterate({ query })) {
          expect(errors).toBeUndefined();
          expect(data).toMatchObject({ events: { position: expect.any(String) as string } });
          break;
        }
        await client.dispose();
      } else {
        const { data, errors } = await gateway.graphql(query);
        expect(errors, query).toEqual([]);
        expect(Object.values(data as object), query).not.toContain(null);
      }
    }
  });

  it('refuse batches, changes by GET, and simple requests that a page of another site could send', async () => {
    const url = `${gateway.server.url}/graphql`;
    const json = { 'content-type': 'application/json' };
    const batch = await fetch(url, { method: 'POST', headers: json, body: '[{"query":"{ position }"}]' });
    expect(batch.status).toBe(400);
    const change = 'mutation { suspendEndpoint(input: { endpoint: "a", reason: "b" }) { __typename } }';
    const get = await fetch(`${url}?query=${encodeURIComponent(change)}`, { headers: json });
    expect(get.status).toBe(405);
    const simple = await fetch(`${url}?query=${encodeURIComponent('{ position }')}`);
    expect(simple.status).toBe(400);
    const form = await fetch(url, { method: 'POST', headers: { 'content-type': 'text/plain' }, body: '{}' });
    expect([400, 415]).toContain(form.status);
  });
});

/** Each header by itself; fetch would join them. */
const challengesOf = (url: string): Promise<readonly string[]> =>
  new Promise((resolve, reject) => {
    request(url, (response) => {
      response.resume();
      const { rawHeaders } = response;
      resolve(rawHeaders.filter((_, index) => rawHeaders[index - 1]?.toLowerCase() === 'www-authenticate'));
    })
      .on('error', reject)
      .end();
  });

describe('tokens', () => {
  const sign = (key: KeyObject, claims: Record<string, unknown> = {}) =>
    new SignJWT({ kind: 'person', roles: ['approver'], ws: 'default', ...claims })
      .setProtectedHeader({ alg: 'EdDSA' })
      .setSubject('ada')
      .setIssuedAt()
      .setExpirationTime('1h')
      .sign(key);

  it('are needed in token mode, verified in every mode, and an auditor changes nothing', async () => {
    const closed = await startTestGateway({ auth: 'token' });
    try {
      const { privateKey, publicKey } = generateKeyPairSync('ed25519');
      const { privateKey: foreignKey } = generateKeyPairSync('ed25519');
      for (const directory of [closed.keysDir, gateway.keysDir]) {
        await mkdir(directory, { recursive: true });
        await writeFile(join(directory, 'token.pub.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
      }
      const ask = async (url: string, authorization?: string) =>
        (
          await fetch(`${url}/graphql`, {
            method: 'POST',
            headers: { 'content-type': 'application/json', ...(authorization && { authorization }) },
            body: '{"query":"{ position }"}',
          })
        ).status;
      const token = await sign(privateKey);
      expect(await ask(closed.server.url)).toBe(401);
      // Chromium reads the first challenge of a header only, and asks nobody for a Bearer.
      const challenges = await challengesOf(closed.server.url);
      expect(challenges.map((challenge) => challenge.split(' ', 1)[0])).toEqual(['Basic', 'Bearer']);
      expect(await ask(closed.server.url, `Bearer ${token}`)).toBe(200);
      expect(await ask(closed.server.url, `Basic ${Buffer.from(`any:${token}`).toString('base64')}`)).toBe(200);
      expect(await ask(closed.server.url, `Bearer ${await sign(foreignKey)}`)).toBe(401);
      expect(await ask(gateway.server.url, `Bearer ${await sign(foreignKey)}`)).toBe(401);
      const auditor = `Bearer ${await sign(privateKey, { roles: ['auditor', 'approver'] })}`;
      const refused = await closed.graphql(
        'mutation { suspendEndpoint(input: { endpoint: "a", reason: "b" }) { __typename } }',
        { headers: { authorization: auditor } },
      );
      expect(refused.data.suspendEndpoint.__typename).toBe('ForbiddenError');
      await eventually(async () => (await fetch(`${closed.server.url}/health`)).status === 200);
    } finally {
      await closed.stop();
    }
  });
});
