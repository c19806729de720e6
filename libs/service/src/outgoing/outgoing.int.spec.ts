import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { checkOutgoing, OutgoingRefused, type OutgoingRules, type Post, postOutgoing } from './outgoing.js';

const STRICT: OutgoingRules = { allowHttp: false, allowPrivate: false };
const OPEN: OutgoingRules = { allowHttp: true, allowPrivate: true };

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A server on loopback. @returns its port. */
const serve = async (listener: RequestListener): Promise<number> => {
  const server = createServer(listener).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};

const post = (url: string, more: Partial<Post> = {}) =>
  postOutgoing({
    ...{ url, headers: {}, body: Buffer.from('{}'), rules: OPEN, timeoutMs: 10_000, maxAnswerBytes: 8192 },
    signal: new AbortController().signal,
    ...more,
  });

const problem = async (asked: Promise<unknown>): Promise<unknown> => {
  const error = await asked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof OutgoingRefused ? error.problem : error;
};

describe('a URL', () => {
  it.each([
    ['ftp://bank.example/', 'ftp'],
    ['http://bank.example/', 'http'],
    ['HTTP://bank.example/', 'http'],
    ['file:///etc/passwd', 'file'],
    ['gopher://127.0.0.1:6379/_x', 'gopher'],
    ['bank.example/hook', ''],
    ['//bank.example', ''],
    ['', ''],
  ])('of another scheme is refused: %j', async (url, scheme) => {
    expect(await problem(checkOutgoing(url, STRICT))).toEqual({ kind: 'scheme', scheme, allowed: ['https'] });
    expect(await problem(post(url, { rules: STRICT }))).toMatchObject({ kind: 'scheme' });
  });

  it.each(['https://', 'https:bank.example', 'https:/bank.example', 'https://:443/'])(
    'without a host is refused: %j',
    async (url) => {
      expect(await problem(checkOutgoing(url, STRICT))).toEqual({ kind: 'host' });
    },
  );

  it.each(['https://a b/', 'https://[::1', 'http://[invalid', 'https://bank.example:99999/'])(
    'whose host or port is none is refused: %j',
    async (url) => {
      expect(await problem(checkOutgoing(url, STRICT))).toEqual({ kind: 'syntax' });
    },
  );

  it.each(['https://ada@bank.example/', 'https://ada:secret@bank.example/', 'https://:secret@bank.example/'])(
    'with credentials is refused: %j',
    async (url) => {
      expect(await problem(checkOutgoing(url, OPEN))).toEqual({ kind: 'credentials' });
    },
  );

  it.each([
    ['https://127.0.0.1/', '127.0.0.1'],
    ['https://127.1/', '127.0.0.1'],
    ['https://2130706433/', '127.0.0.1'],
    ['https://0x7f.0.0.1/', '127.0.0.1'],
    ['https://0177.0.0.1/', '127.0.0.1'],
    ['https://１２７.0.0.1/', '127.0.0.1'],
    ['https://0/', '0.0.0.0'],
    ['https://169.254.169.254/latest/meta-data', '169.254.169.254'],
    ['https://[::1]/', '::1'],
    ['https://[::ffff:10.0.0.1]/', '::ffff:a00:1'],
    ['https://[64:ff9b::10.0.0.1]/', '64:ff9b::a00:1'],
    ['https://[2002:7f00:1::]/', '2002:7f00:1::'],
  ])('with an address that is not public is refused, however it is written: %j', async (url, address) => {
    const refused = { kind: 'address', host: address, address };
    expect(await problem(checkOutgoing(url, STRICT))).toEqual(refused);
    expect(await problem(post(url, { rules: STRICT }))).toEqual(refused);
    await checkOutgoing(url, OPEN);
  });

  it('with a name of this machine is refused, and one with a public address is not', async () => {
    const refused = await problem(checkOutgoing('https://localhost/', STRICT));
    expect(refused).toMatchObject({ kind: 'address', host: 'localhost' });
    await checkOutgoing('https://bank.example/', STRICT, () =>
      Promise.resolve([{ address: '93.184.216.34', family: 4 }]),
    );
  });

  it('with a name that has no address is refused', async () => {
    expect(await problem(checkOutgoing('https://nowhere.invalid/', STRICT))).toMatchObject({
      kind: 'unresolved',
      host: 'nowhere.invalid',
    });
  });

  it('with one private address among public ones is refused', async () => {
    const mixed = () =>
      Promise.resolve([
        { address: '93.184.216.34', family: 4 },
        { address: '10.0.0.1', family: 4 },
      ]);
    expect(await problem(checkOutgoing('https://bank.example/', STRICT, mixed))).toMatchObject({ address: '10.0.0.1' });
  });
});

describe('a call', () => {
  it('connects to no address that DNS gives between the check and the call', async () => {
    let calls = 0;
    const port = await serve((_request, response) => {
      calls += 1;
      response.end();
    });
    const answers = ['93.184.216.34', '127.0.0.1'];
    const resolve = () => Promise.resolve([{ address: answers.shift() ?? '', family: 4 }]);
    const rules = { allowHttp: true, allowPrivate: false };
    const url = `http://bank.example:${port}/`;
    await checkOutgoing(url, rules, resolve);
    expect(await problem(post(url, { rules, resolve }))).toMatchObject({ kind: 'address', address: '127.0.0.1' });
    expect(calls).toBe(0);
  });

  it('follows no redirect', async () => {
    const paths: (string | undefined)[] = [];
    const port = await serve((request, response) => {
      paths.push(request.url);
      response.writeHead(307, { location: '/elsewhere' }).end('moved');
    });
    expect(await post(`http://127.0.0.1:${port}/`)).toEqual({ status: 307, retryAfter: undefined, body: 'moved' });
    expect(paths).toEqual(['/']);
  });

  it('reads of a huge answer only the beginning', async () => {
    const port = await serve((_request, response) => {
      const send = (): void => {
        while (!response.destroyed && response.write('x'.repeat(65_536)));
        response.once('drain', send);
      };
      send();
    });
    expect((await post(`http://127.0.0.1:${port}/`)).body).toBe('x'.repeat(8192));
  });

  it('ends when nobody answers in time, and when the answer stops after its status', async () => {
    const silent = await serve(() => undefined);
    const error = await problem(post(`http://127.0.0.1:${silent}/`, { timeoutMs: 100 }));
    expect(error).toEqual(new Error('no answer within 0.1 s'));
    const stuck = await serve((_request, response) => response.writeHead(202).write('so far'));
    const answer = await post(`http://127.0.0.1:${stuck}/`, { timeoutMs: 500 });
    expect(answer).toEqual({ status: 202, retryAfter: undefined, body: 'so far' });
  });

  it('fails when the connection is cut, and when it is called off', async () => {
    const cut = await serve((request) => request.socket.destroy());
    expect(await problem(post(`http://127.0.0.1:${cut}/`))).toMatchObject({ code: 'ECONNRESET' });
    const [stopping, silent] = [new AbortController(), await serve(() => stopping.abort())];
    expect(await problem(post(`http://127.0.0.1:${silent}/`, { signal: stopping.signal }))).toMatchObject({
      name: 'AbortError',
    });
  });

  it('sends header names and body as they are', async () => {
    const seen: unknown[] = [];
    const port = await serve((request, response) => {
      request.setEncoding('utf8').on('data', (text) => seen.push(text));
      seen.push(request.rawHeaders.includes('X-MLflow-Timestamp'));
      response.writeHead(503, { 'retry-after': '7' }).end();
    });
    const sent = post(`http://127.0.0.1:${port}/`, {
      headers: { 'X-MLflow-Timestamp': '1' },
      body: Buffer.from('{"a": "ä"}'),
    });
    expect(await sent).toEqual({ status: 503, retryAfter: '7', body: '' });
    expect(seen).toEqual([true, '{"a": "ä"}']);
  });
});
