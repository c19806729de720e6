// Documents and peers that mean harm, over both transports: the refusal must carry the same code on each.
import { generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { eventually } from '@kontor/testing';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { startTestGateway, type TestGateway } from './gateway.fixture.js';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startTestGateway({ introspection: 'off' });
});
afterAll(() => gateway.stop());

interface Message {
  readonly type: string;
  readonly id?: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- specs look into answers of many shapes
  readonly payload?: any;
}

interface Peer {
  readonly socket: WebSocket;
  readonly messages: Message[];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  send(message: object): void;
  /** The first message, of those that have come and will come, that fits. Undefined when the socket closes before. */
  until(fits: (message: Message) => boolean): Promise<Message | undefined>;
}

/** Speaks graphql-transport-ws by hand: a client library would hide what the server does. */
const openPeer = async (connectionParams: object = {}): Promise<Peer> => {
  const socket = new WebSocket(`${gateway.server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
  const messages: Message[] = [];
  let changed: () => void = () => undefined;
  let isClosed = false;
  socket.on('message', (data) => {
    messages.push(JSON.parse(String(data)) as Message);
    changed();
  });
  socket.on('error', () => undefined); // 'close' follows
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.once('close', (code, reason) => {
      isClosed = true;
      resolve({ code, reason: String(reason) });
      changed();
    }),
  );
  await new Promise((resolve) => socket.once('open', resolve));
  const send = (message: object) => socket.send(JSON.stringify(message));
  const until = async (fits: (message: Message) => boolean) => {
    for (;;) {
      const found = messages.find(fits);
      if (found || isClosed) return found;
      await new Promise<void>((resolve) => (changed = resolve));
    }
  };
  send({ type: 'connection_init', payload: connectionParams });
  return { socket, messages, closed, send, until };
};

interface Refusal {
  readonly text: string;
  readonly codes: readonly string[];
}

const refusalOf = (errors: readonly { readonly extensions?: { readonly code?: string } }[] | undefined): Refusal => ({
  text: JSON.stringify(errors ?? 'accepted'),
  codes: [...new Set((errors ?? []).map(({ extensions }) => extensions?.code ?? 'none'))].sort(),
});

const overSocket = async (query: string, variables: object): Promise<Refusal> => {
  const peer = await openPeer();
  await peer.until(({ type }) => type === 'connection_ack');
  peer.send({ type: 'subscribe', id: '1', payload: { query, variables } });
  // An accepted subscription would stay silent; the pong of a later ping says so without a time-out.
  peer.send({ type: 'ping' });
  const answer = await peer.until(({ type }) => type === 'error' || type === 'next');
  peer.socket.terminate();
  return refusalOf(answer?.type === 'next' ? answer.payload.errors : answer?.payload);
};

const overHttp = async (query: string, variables: object): Promise<Refusal> => {
  const answer = await gateway.graphql(query, { variables: variables as Record<string, unknown> });
  return refusalOf(answer.errors);
};

interface Hostile {
  readonly name: string;
  readonly code: string;
  /** What follows the name of the root field, and what stands inside it. */
  readonly events?: { readonly arguments?: string; readonly selection?: string };
  readonly head?: string;
  readonly fragments?: string;
  /** A whole document, the same for both transports. */
  readonly document?: string;
  readonly variables?: object;
}

const times = (count: number, make: (n: number) => string): string =>
  Array.from({ length: count }, (_, n) => make(n)).join(' ');
const INVALID = 'GRAPHQL_VALIDATION_FAILED';
const LIMIT = 'DOCUMENT_LIMIT';
const UNPARSED = 'GRAPHQL_PARSE_FAILED';
const POSITION = '... on Event { position }';
const deep = (levels: number): string =>
  levels === 0
    ? 'nodes { endpoint }'
    : `nodes { rollouts { nodes { endpoint { rollouts { ${deep(levels - 1)} } } } } }`;

const HOSTILE: readonly Hostile[] = [
  { name: 'more than 2,000 tokens of selections', code: UNPARSED, events: { selection: `${POSITION} `.repeat(500) } },
  {
    name: 'more than 2,000 tokens in one list',
    code: UNPARSED,
    events: { arguments: `(types: [${times(2100, (n) => `"t${n}"`)}])` },
  },
  { name: 'an unfinished document', code: UNPARSED, document: '{ events {' },
  { name: 'no GraphQL at all', code: UNPARSED, document: "'; DROP TABLE es.events; --" },
  { name: 'an unfinished string', code: UNPARSED, document: '{ events(after: "1) { __typename } }' },
  { name: '16 aliases', code: LIMIT, events: { selection: `... on Event { ${times(16, (n) => `a${n}: position`)} }` } },
  {
    name: '16 aliases through one fragment',
    code: LIMIT,
    events: { selection: '...A ...A' },
    fragments: `fragment A on Event { ${times(8, (n) => `a${n}: position`)} }`,
  },
  {
    name: '16 aliases in inline fragments',
    code: LIMIT,
    events: { selection: times(16, (n) => `... on Event { a${n}: position }`) },
  },
  {
    name: '31 directives on fragments',
    code: LIMIT,
    events: { selection: '... @include(if: true) { __typename } '.repeat(31) },
  },
  {
    name: '31 directives on fields',
    code: LIMIT,
    events: { selection: `... on Event { ${'position @include(if: true) '.repeat(31)} }` },
  },
  {
    name: 'fragments that double 15 times',
    code: LIMIT,
    events: { selection: '...A0' },
    fragments: `${times(15, (n) => `fragment A${n} on Event { ...A${n + 1} ...A${n + 1} }`)} fragment A15 on Event { position }`,
  },
  { name: 'a depth of more than 10', code: LIMIT, document: `{ endpoints { ${deep(2)} } }` },
  {
    name: 'a depth of more than 10 inside a scalar',
    code: LIMIT,
    events: { selection: `... on Event { ${'data { '.repeat(12)} x ${'} '.repeat(12)} }` },
  },
  {
    name: '21 root fields through a fragment',
    code: LIMIT,
    document: `{ ${times(21, () => '...A')} } fragment A on Query { position }`,
  },
  { name: '`at` inside `at`', code: LIMIT, document: '{ at(position: "1") { at(position: "1") { position } } }' },
  {
    name: '`at` inside `at` through a fragment',
    code: LIMIT,
    document: '{ at(position: "1") { ...A } } fragment A on Query { at(position: "1") { position } }',
  },
  { name: 'introspection of the schema', code: INVALID, document: '{ __schema { types { name } } }' },
  { name: 'introspection of a type', code: INVALID, document: '{ __type(name: "Event") { fields { name } } }' },
  {
    name: 'introspection behind a fragment',
    code: INVALID,
    document: '{ ...A } fragment A on Query { __schema { queryType { name } } }',
  },
  { name: 'an unknown field', code: INVALID, events: { selection: '... on Event { positoin }' } },
  { name: 'an unknown argument', code: INVALID, events: { arguments: '(aftr: "1")', selection: POSITION } },
  { name: 'an unknown type', code: INVALID, events: { selection: '... on Evnt { position }' } },
  { name: 'an unknown directive', code: INVALID, events: { selection: '... @defer { __typename }' } },
  {
    name: 'one directive twice',
    code: INVALID,
    events: { selection: '... @skip(if: false) @skip(if: false) { __typename }' },
  },
  { name: 'a directive without its argument', code: INVALID, events: { selection: '... @include { __typename }' } },
  {
    name: 'a cycle of two fragments',
    code: INVALID,
    events: { selection: '...A' },
    fragments: 'fragment A on Event { ...B } fragment B on Event { ...A }',
  },
  {
    name: 'a fragment that uses itself',
    code: INVALID,
    events: { selection: '...A' },
    fragments: 'fragment A on Event { position ...A }',
  },
  { name: 'a fragment that is not there', code: INVALID, events: { selection: '...A' } },
  {
    name: 'a fragment that nobody uses',
    code: INVALID,
    events: { selection: POSITION },
    fragments: 'fragment A on Event { position }',
  },
  { name: 'two fields under one name', code: INVALID, events: { selection: '... on Event { a: position a: actor }' } },
  { name: 'a selection on a scalar', code: INVALID, events: { selection: '... on Event { position { x } }' } },
  { name: 'an object without a selection', code: INVALID, document: '{ events }' },
  { name: 'definitions of types', code: INVALID, document: '{ position } type X { a: Int }' },
  { name: 'two operations of one name', code: INVALID, document: 'query A { position } query A { position }' },
  {
    name: 'two operations and no name',
    code: 'OPERATION_RESOLUTION_FAILURE',
    document: 'query A { position } query B { position }',
  },
  { name: 'a variable that is not declared', code: INVALID, events: { arguments: '(after: $x)', selection: POSITION } },
  {
    name: 'a variable of another type',
    code: INVALID,
    head: '($x: Boolean)',
    events: { arguments: '(after: $x)', selection: POSITION },
  },
  { name: 'a position that is a word', code: INVALID, events: { arguments: '(after: "abc")', selection: POSITION } },
  { name: 'a position below zero', code: INVALID, events: { arguments: '(after: "-1")', selection: POSITION } },
  {
    name: 'a position above any',
    code: INVALID,
    events: { arguments: `(after: "${'9'.repeat(30)}")`, selection: POSITION },
  },
  {
    name: 'a variable that is missing',
    code: 'BAD_USER_INPUT',
    head: '($x: LogPosition!)',
    events: { arguments: '(after: $x)', selection: POSITION },
  },
  {
    name: 'a variable that is an object',
    code: 'BAD_USER_INPUT',
    head: '($x: LogPosition)',
    events: { arguments: '(after: $x)', selection: POSITION },
    variables: { x: { $gt: '' } },
  },
  {
    name: 'U+0000 in a variable',
    code: 'BAD_USER_INPUT',
    head: '($x: [String!])',
    events: { arguments: '(types: $x)', selection: POSITION },
    variables: { x: ['a', 'b\u0000'] },
  },
  {
    name: 'half of a surrogate pair in a variable',
    code: 'BAD_USER_INPUT',
    head: '($x: [String!])',
    events: { arguments: '(types: $x)', selection: POSITION },
    variables: { x: ['\ud800'] },
  },
  {
    name: 'U+0000 in the document',
    code: 'BAD_USER_INPUT',
    events: { arguments: '(types: ["\\u0000"])', selection: POSITION },
  },
  {
    name: 'an unknown type of event',
    code: 'BAD_USER_INPUT',
    events: { arguments: '(types: ["RunStarted", "Nope"])' },
  },
  {
    name: '16 aliases of the schema',
    code: LIMIT,
    document: `{ ${times(16, (n) => `a${n}: __schema { queryType { name } }`)} }`,
  },
  {
    name: '16 aliases inside the schema',
    code: LIMIT,
    document: `{ __schema { ${times(16, (n) => `a${n}: types { name }`)} } }`,
  },
  {
    name: 'a position in the future',
    code: 'POSITION_IN_FUTURE',
    events: { arguments: '(after: "99999999")', selection: POSITION },
  },
];

describe('hostile documents', () => {
  it.each(HOSTILE)('$name: $code over HTTP and WebSocket', async (hostile) => {
    const { code, document, head = '', fragments = '', variables = {} } = hostile;
    const { arguments: given = '', selection = POSITION } = hostile.events ?? {};
    const http = await overHttp(
      document ?? `query ${head} { events${given} { messages { ${selection} } } } ${fragments}`,
      variables,
    );
    const socket = await overSocket(
      document ?? `subscription ${head} { events${given} { ${selection} } } ${fragments}`,
      variables,
    );
    expect(http.codes, http.text).toContain(code);
    expect(socket.codes, socket.text).toEqual(http.codes);
    for (const { text } of [http, socket])
      expect(text).not.toMatch(/Did you mean|stack|node_modules|\.[jt]s:\d|"http"/);
  });

  it('runs no query and no mutation on a socket, and no subscription over HTTP', async () => {
    const suspend = 'mutation { suspendEndpoint(input: { endpoint: "a", reason: "b" }) { __typename } }';
    for (const query of ['{ position }', suspend]) {
      expect(await overSocket(query, {})).toMatchObject({
        codes: ['BAD_USER_INPUT'],
        text: expect.stringContaining('Only subscriptions') as string,
      });
    }
    expect((await overHttp(`subscription { events { ${POSITION} } }`, {})).codes).toEqual(['BAD_USER_INPUT']);
  });

  it('counts cost after variables are known', async () => {
    const list = 'query ($n: Int) { endpoints(first: $n) { nodes { endpoint } } }';
    expect((await overHttp(list, { n: 300_000 })).codes).toEqual(['COST_LIMIT']);
    expect((await gateway.graphql(list, { variables: { n: 300_000 } })).status).toBe(400);
    const nested = (size: string) =>
      `endpoints(first: ${size}) { nodes { rollouts(first: ${size}) { nodes { state } } } }`;
    // A default counts as much as what was sent.
    expect((await overHttp(`query ($n: Int = 100) { ${nested('$n')} }`, {})).codes).toEqual(['COST_LIMIT']);
    expect((await overHttp(`query ($n: Int = 10) { ${nested('$n')} }`, {})).codes).toEqual([]);
    const ids = Array.from({ length: 6000 }, () => 'x');
    expect((await overHttp('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids })).codes).toEqual(['COST_LIMIT']);
  });
});

describe('hostile peers', () => {
  it('are closed with 1009 for a frame above 256 KiB', async () => {
    const peer = await openPeer();
    await peer.until(({ type }) => type === 'connection_ack');
    peer.send({ type: 'subscribe', id: '1', payload: { query: `subscription { x } # ${'x'.repeat(300 * 1024)}` } });
    expect((await peer.closed).code).toBe(1009);
  });

  it('are closed with 4403 for a token that is not verified, and never acknowledged', async () => {
    for (const Authorization of ['Bearer x', 'Basic x', 42, `Bearer ${'a'.repeat(1000)}.b.c`]) {
      const peer = await openPeer({ Authorization });
      expect((await peer.closed).code).toBe(4403);
      expect(peer.messages).toEqual([]);
    }
  });

  it('are refused a 21st subscription, and lose no place by one that was refused or has ended', async () => {
    const peer = await openPeer();
    await peer.until(({ type }) => type === 'connection_ack');
    const subscribe = (id: string, query: string): void =>
      peer.send({ type: 'subscribe', id, payload: { query: `subscription { ${query} }` } });
    const answerTo = (wanted: string) => peer.until(({ id, type }) => id === wanted && type !== 'next');
    for (let n = 0; n < 25; n += 1) {
      subscribe(`wrong-${n}`, 'events { nothing }');
      expect((await answerTo(`wrong-${n}`))?.payload[0].extensions.code).toBe(INVALID);
    }
    for (let n = 0; n < 20; n += 1) subscribe(`open-${n}`, 'events { __typename }');
    subscribe('one-more', 'events { __typename }');
    expect((await answerTo('one-more'))?.payload[0]).toMatchObject({
      message: 'At most 20 subscriptions run on one socket.',
      extensions: { code: LIMIT },
    });
    peer.send({ type: 'complete', id: 'open-7' });
    subscribe('instead', 'events(after: "99999999") { __typename }');
    expect((await peer.until(({ id }) => id === 'instead'))?.payload.errors[0].extensions.code).toBe(
      'POSITION_IN_FUTURE',
    );
    peer.socket.terminate();
  });

  it('are refused an 11th socket, and let in when one has closed', async () => {
    const peers = await Promise.all(Array.from({ length: 10 }, () => openPeer()));
    for (const peer of peers) await peer.until(({ type }) => type === 'connection_ack');
    const more = await openPeer();
    expect(await more.closed).toEqual({ code: 4911, reason: 'at most 10 sockets for one sign-in' });
    peers[0]?.socket.close();
    await peers[0]?.closed;
    await eventually(async () => {
      const again = await openPeer();
      const isIn = (await again.until(({ type }) => type === 'connection_ack')) !== undefined;
      again.socket.terminate();
      return isIn;
    });
    for (const { socket } of peers) socket.terminate();
  });

  it('that speak another subprotocol are closed with 4406', async () => {
    const socket = new WebSocket(`${gateway.server.url.replace('http', 'ws')}/graphql`, 'graphql-ws');
    socket.once('error', () => undefined); // 'close' follows
    expect(await new Promise((resolve) => socket.once('close', resolve))).toBeOneOf([1006, 4406]);
    const none = new WebSocket(`${gateway.server.url.replace('http', 'ws')}/graphql`);
    expect(await new Promise((resolve) => none.once('close', resolve))).toBe(4406);
  });

  it('are closed for a subscription before the sign-in', async () => {
    const socket = new WebSocket(`${gateway.server.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    const closed = new Promise<number>((resolve) => socket.once('close', resolve));
    socket.once('open', () => {
      socket.send(
        JSON.stringify({ type: 'subscribe', id: '1', payload: { query: 'subscription { events { __typename } }' } }),
      );
    });
    expect(await closed).toBe(4401);
  });

  it('get 404 on any other upgrade path and 403 from elsewhere, and their socket ends', async () => {
    const { hostname, port, host } = new URL(gateway.server.url);
    /** @returns the status line, once the server has ended the connection. */
    const upgrade = (path: string, headers: Record<string, string>): Promise<string> =>
      new Promise((resolve, reject) => {
        const all = {
          host,
          ...headers,
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        };
        const socket = connectTcp(Number(port), hostname);
        let received = '';
        socket.on('data', (data) => (received += String(data)));
        socket.once('error', reject);
        socket.once('close', () => resolve(received.split('\r\n', 1)[0] ?? ''));
        const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
        socket.write([`GET ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n'));
      });
    for (const path of ['/', '/graphql/', '/graphql/x', '/graphqlx', '/explorer', '//graphql', '/GRAPHQL']) {
      expect(await upgrade(path, {}), path).toBe('HTTP/1.1 404 Not Found');
    }
    expect(await upgrade('/graphql', { host: 'evil.example' })).toBe('HTTP/1.1 403 Forbidden');
    expect(await upgrade('/graphql', { origin: 'https://evil.example' })).toBe('HTTP/1.1 403 Forbidden');
    expect(await upgrade('/graphql', { origin: 'null' })).toBe('HTTP/1.1 403 Forbidden');
  });

  it('are closed when their token expires while they listen, and not let in with an expired one', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    await writeFile(join(gateway.keysDir, 'token.pub.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
    const tokenFor = (seconds: number): Promise<string> =>
      new SignJWT({ kind: 'person', roles: [], ws: 'default' })
        .setProtectedHeader({ alg: 'EdDSA' })
        .setSubject('ada')
        .setIssuedAt()
        .setExpirationTime(Math.floor(Date.now() / 1000) + seconds)
        .sign(privateKey);
    const peer = await openPeer({ Authorization: `Bearer ${await tokenFor(2)}` });
    expect(await peer.until(({ type }) => type === 'connection_ack')).toBeDefined();
    peer.send({ type: 'subscribe', id: '1', payload: { query: 'subscription { events { __typename } }' } });
    expect(await peer.closed).toEqual({ code: 4403, reason: 'the sign-in has expired' });
    const late = await openPeer({ Authorization: `Bearer ${await tokenFor(-60)}` });
    expect((await late.closed).code).toBe(4403);
    expect(late.messages).toEqual([]);
  });

  it('that read too slowly get Lagged and 4910, and lose nothing when they come back', async () => {
    const start = await gateway.server.gateway.log.head();
    const wanted: string[] = [];
    const query = (after: bigint | string) =>
      `subscription { events(after: "${after}") { __typename ... on Event { position data } ... on Lagged { missed resumeAfter } } }`;
    const slow = await openPeer();
    await slow.until(({ type }) => type === 'connection_ack');
    slow.send({ type: 'subscribe', id: '1', payload: { query: query(start) } });
    slow.socket.pause();
    // More than the buffers of the kernel hold on both sides, so that the server's own bound decides.
    for (let n = 0; n < 48; n += 1) {
      const data = { endpoint: `big-${n}`, environment: 'staging', description: 'x'.repeat(240 * 1024) };
      wanted.push(String(await gateway.append(`default/deployment/endpoint/big-${n}`, 'EndpointCreated', data)));
    }
    await gateway.server.gateway.log.wait(BigInt(wanted.at(-1) ?? 0));
    slow.socket.resume();
    expect((await slow.closed).code).toBe(4910);
    const events = slow.messages.filter(({ type }) => type === 'next').map(({ payload }) => payload.data.events);
    const lagged = events.at(-1);
    expect(lagged).toMatchObject({ __typename: 'Lagged' });
    expect(lagged.missed).toBeGreaterThan(0);
    const seen: string[] = events.slice(0, -1).map(({ position }) => position);
    expect(seen.length).toBeLessThan(wanted.length);

    const back = await openPeer();
    await back.until(({ type }) => type === 'connection_ack');
    back.send({ type: 'subscribe', id: '1', payload: { query: query(lagged.resumeAfter) } });
    await back.until(({ payload }) => payload?.data?.events?.position === wanted.at(-1));
    back.socket.terminate();
    const rest = back.messages.filter(({ type }) => type === 'next').map(({ payload }) => payload.data.events.position);
    expect([...seen, ...rest]).toEqual(wanted);
  });
});

describe('a failure inside', () => {
  it('shows INTERNAL and a correlation id, and nothing of what failed', async () => {
    const { pool } = gateway.server.gateway;
    await pool.query('ALTER VIEW gateway.incidents RENAME TO incidents_away');
    try {
      const { errors, text } = await gateway.graphql('{ incidents { nodes { reason } } }');
      expect(errors[0]?.extensions).toEqual({
        code: 'INTERNAL',
        correlationId: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      });
      expect(text).not.toMatch(/incidents_away|\brelation\b|SELECT|42P01|stack|node_modules|\.[jt]s:\d/);
    } finally {
      await pool.query('ALTER VIEW gateway.incidents_away RENAME TO incidents');
    }
  });
});
