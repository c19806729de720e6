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

const endpointStream = (name: string) => `default/deployment/endpoint/${name}`;
const created = (endpoint: string, description = '') => ({ endpoint, environment: 'staging', description });

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
  it('shows a mutation in its own answer and in the next read, 200 times', async () => {
    let stale = 0;
    for (let n = 0; n < 200; n += 1) {
      const endpoint = `fresh-${n}`;
      const mutated = await gateway.graphql(CREATE, { variables: { input: created(endpoint) } });
      expect(mutated.errors).toEqual([]);
      if (mutated.data.createEndpoint.endpoint?.endpoint !== endpoint) stale += 1;
      const headers = { 'kontor-consistency': mutated.extensions.consistency.token };
      const read = await gateway.graphql(`{ endpoint(endpoint: "${endpoint}") { endpoint } }`, { headers });
      if (read.data.endpoint?.endpoint !== endpoint) stale += 1;
    }
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

  it('refuses moments that have no answer, each with its code', async () => {
    const code = async (query: string) => (await gateway.graphql(query)).errors[0]?.extensions.code;
    expect(await code('{ at(position: "99999999") { position } }')).toBe('POSITION_IN_FUTURE');
    expect(await code('{ at(position: "0") { position } }')).toBe('POSITION_BEFORE_FIRST');
    expect(await code('{ at(time: "2999-01-01T00:00:00Z") { position } }')).toBe('TIME_IN_FUTURE');
    expect(await code('{ at(time: "1999-01-01T00:00:00Z") { position } }')).toBe('TIME_BEFORE_FIRST');
    expect(await code('{ at { position } }')).toBe('BAD_USER_INPUT');
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
  it('lose nothing and repeat nothing over random disconnects', async () => {
    const seed = Date.now() % 1_000_000;
    console.info(`subscription seed ${seed}`);
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

/** Hostile selections on an event, and the code that both transports answer. `fragments` follow the operation. */
const HOSTILE: readonly { name: string; selection: string; fragments?: string; code: RegExp }[] = [
  {
    name: 'too many tokens',
    selection: '... on Event { position } '.repeat(500),
    code: /BAD_USER_INPUT|GRAPHQL_PARSE_FAILED/,
  },
  {
    name: 'too many aliases',
    selection: `... on Event { ${Array.from({ length: 16 }, (_, n) => `a${n}: position`).join(' ')} }`,
    code: /DOCUMENT_LIMIT/,
  },
  {
    name: 'too many directives',
    selection: '... @include(if: true) { __typename } '.repeat(31),
    code: /DOCUMENT_LIMIT/,
  },
  {
    name: 'an unknown field',
    selection: '... on Event { positoin }',
    code: /GRAPHQL_VALIDATION_FAILED|BAD_USER_INPUT/,
  },
  {
    name: 'a fragment cycle',
    selection: '...A',
    fragments: 'fragment A on Event { ...B } fragment B on Event { ...A }',
    code: /GRAPHQL_VALIDATION_FAILED|BAD_USER_INPUT/,
  },
];

describe('limits', () => {
  const overSocket = async (query: string): Promise<string> => {
    const client = subscribeClient();
    try {
      for await (const result of client.iterate({ query }))
        return result.errors ? JSON.stringify(result.errors) : 'accepted';
      return 'ended';
    } catch (error) {
      return JSON.stringify(error);
    } finally {
      await client.dispose();
    }
  };

  it.each(HOSTILE)('refuses $name over HTTP and WebSocket', async ({ selection, fragments = '', code }) => {
    const overHttp = await gateway.graphql(`query { events { messages { ${selection} } } } ${fragments}`);
    expect(overHttp.text).toMatch(code);
    const overWebSocket = await overSocket(`subscription { events { ${selection} } } ${fragments}`);
    expect(overWebSocket).toMatch(code);
    for (const text of [overHttp.text, overWebSocket]) expect(text).not.toMatch(/Did you mean/);
  });

  it('counts cost after variables are known, and refuses a large page instead of cutting it', async () => {
    const list = 'query ($n: Int) { endpoints(first: $n) { nodes { endpoint } } }';
    expect((await gateway.graphql(list, { variables: { n: 300_000 } })).errors[0]?.extensions.code).toBe('COST_LIMIT');
    expect((await gateway.graphql(list, { variables: { n: 101 } })).errors[0]?.message).toContain('between 1 and 100');
  });

  it('refuses deep queries, many root fields, queries on a socket and large bodies', async () => {
    const deep = `{ ${'at(position: "1") { '.repeat(1)}endpoints { nodes { rollouts { nodes { endpoint { rollouts { nodes { endpoint { rollouts { nodes { step } } } } } } } } } } } }`;
    expect((await gateway.graphql(deep)).errors[0]?.message).toContain('depth');
    const wide = `{ ${Array.from({ length: 21 }, () => '...A').join(' ')} } fragment A on Query { position }`;
    expect((await gateway.graphql(wide)).errors[0]?.message).toContain('root fields');
    expect(await overSocket('{ position }')).toContain('Only subscriptions');
    expect(
      await overSocket('mutation { suspendEndpoint(input: { endpoint: "a", reason: "b" }) { __typename } }'),
    ).toContain('Only subscriptions');
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
  });

  it('name the label and field of a bad batch of ground truth', async () => {
    const response = await fetch(`${gateway.server.url}/v1/ground-truth`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        endpoint: 'e',
        labelName: 'y',
        labels: [{ predictionId: uuidv7(), label: 'yes', observedAt: '2026-06-01T12:00:00Z' }],
      }),
    });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain('labels[0].label');
  });
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
