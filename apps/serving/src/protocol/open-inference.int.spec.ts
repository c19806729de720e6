import { once } from 'node:events';
import type { Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { Authenticator, TOKEN_ISSUER } from '@kontor/service/process';
import { eventually } from '@kontor/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { servedBy } from '../inference.fixture.js';
import type { ModelRunner } from '../models/runner.js';
import { openInferenceServer } from './open-inference.js';

/** Answers with what it was given, or when `release` is called if that is below zero. */
const held: (() => void)[] = [];
const runner: ModelRunner = {
  threads: 1,
  waitingRows: 0,
  restarts: 0,
  signature: {
    platform: 'onnx_onnxv1',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 1] }],
    outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
  },
  run: async ([x]) => {
    if (!x) throw new Error('x is missing');
    if (Number(x.data[0]) < 0) await new Promise<void>((resolve) => held.push(resolve));
    return [{ ...x, name: 'y' }];
  },
  close: () => Promise.resolve(),
};
const release = (): void => held.splice(0).forEach((resolve) => resolve());

const body = (value: number): string =>
  JSON.stringify({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [value] }] });
const infer = (content: string, headers = `Content-Length: ${Buffer.byteLength(content)}`): string =>
  `POST /v2/models/employment/infer HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${headers}\r\n\r\n${content}`;
const get = (path: string, method = 'GET'): string => `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

describe('the inference server', () => {
  let server: Server;
  let port: number;
  const unexpected: unknown[] = [];
  let isDraining = false;
  const { inference, records } = servedBy([{ revisionId: 'r', modelName: 'm', version: 1, weightBps: 10_000, runner }]);

  /** Sends bytes over one connection; the text that came back when the server closed it or `isEnough` says so. */
  const exchange = async (text: string | Buffer, isEnough: (received: string) => boolean): Promise<string> => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString();
      if (isEnough(received)) socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.write(text);
    await new Promise((resolve) => socket.once('close', resolve));
    return received;
  };
  const statuses = (received: string): string[] =>
    [...received.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status = '']) => status);
  const ends = (received: string): boolean => received.endsWith('}');
  const answers =
    (count: number) =>
    (received: string): boolean =>
      statuses(received).length === count && ends(received);

  beforeAll(async () => {
    server = openInferenceServer(
      {
        inference,
        allowedHosts: [],
        authenticator: new Authenticator({ mode: 'open', keysDir: 'none', issuers: [TOKEN_ISSUER] }),
        workspace: 'default',
        isLive: () => true,
        isReady: () => false,
        isDraining: () => isDraining,
        metricsText: () => '',
      },
      (error) => unexpected.push(error),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
    expect(unexpected).toEqual([]);
  });

  it('answers the next request of a connection after each kind of error', async () => {
    const requests = [infer('{'), infer('{}'), get('/v2/models/nobody'), get('/v2/nothing'), infer(body(1))];
    const received = await exchange(requests.join(''), answers(5));
    expect(statuses(received)).toEqual(['400', '400', '404', '404', '200']);
  });

  it.each([
    ['GET', '/v2/health/live', '200', ''],
    ['HEAD', '/v2/health/live', '200', ''],
    ['HEAD', '/v2/health/ready', '503', ''],
    ['OPTIONS', '/v2/health/live', '405', 'GET, HEAD'],
    ['DELETE', '/v2', '405', 'GET, HEAD'],
    ['PUT', '/v2/models/employment/infer', '405', 'POST'],
    ['HEAD', '/v2/models/employment/infer', '405', 'POST'],
    ['GET', '//v2/health/live', '404', ''],
    ['GET', '/v2//models/employment', '404', ''],
    ['GET', '/v2/models/employment/', '404', ''],
    ['GET', '/v2/models/employment/versions/1/ready', '200', ''],
    ['GET', '/v2/models/employment/versions//ready', '404', ''],
  ])('answers %s %s by %s, and says what is allowed: %s', async (method, path, status, allowed) => {
    const received = await exchange(get(path, method), (text) =>
      method === 'HEAD' ? text.includes('\r\n\r\n') : ends(text),
    );
    expect(statuses(received)).toEqual([status]);
    expect(/^allow: (.*)$/im.exec(received)?.[1] ?? '').toBe(allowed);
    if (method === 'HEAD') expect(received).toMatch(/\r\n\r\n$/);
  });

  it.each([
    ['no HTTP', 'hello\r\n\r\n', '400', 'This is no HTTP'],
    ['a length that is no number', infer('{}', 'Content-Length: two'), '400', 'This is no HTTP'],
    ['two lengths', infer('{}', 'Content-Length: 2\r\nContent-Length: 3'), '400', 'This is no HTTP'],
    ['a length and chunks', infer('{}', 'Content-Length: 2\r\nTransfer-Encoding: chunked'), '400', 'This is no HTTP'],
    ['a broken chunk', infer('zz\r\n', 'Transfer-Encoding: chunked'), '400', 'This is no HTTP'],
    ['headers of 20 KiB', infer('{}', `X-Long: ${'a'.repeat(20_000)}`), '431', 'headers'],
  ])('refuses %s in a sentence and ends the connection', async (_, text, status, says) => {
    const received = await exchange(text, () => false);
    expect(statuses(received)).toEqual([status]);
    expect(received).toContain(`{"error":"${says === 'headers' ? 'The headers' : says}`);
  });

  it('does not take the rest of a body that is longer than it said for a request', async () => {
    const received = await exchange(infer(body(1), `Content-Length: ${body(1).length - 1}`), () => false);
    expect(statuses(received)).toEqual(['400']);
  });

  it('reads a body in chunks', async () => {
    const content = body(1);
    const chunks = [...content].map((character) => `1\r\n${character}\r\n`).join('');
    const received = await exchange(infer(`${chunks}0\r\n\r\n`, 'Transfer-Encoding: chunked'), ends);
    expect(statuses(received)).toEqual(['200']);
  });

  it.each([
    ['0', 'a whole number from 1 to 60000'],
    ['1.5', 'a whole number from 1 to 60000'],
    ['60001', 'a whole number from 1 to 60000'],
    ['soon', 'a whole number from 1 to 60000'],
  ])('refuses a time-out of %s', async (timeout, says) => {
    const content = body(1);
    const received = await exchange(
      infer(content, `Content-Length: ${content.length}\r\nx-kontor-timeout-ms: ${timeout}`),
      ends,
    );
    expect(statuses(received)).toEqual(['400']);
    expect(received).toContain(says);
  });

  it('answers by 504 when the time is over', async () => {
    const content = body(-1);
    const received = await exchange(
      infer(content, `Content-Length: ${content.length}\r\nx-kontor-timeout-ms: 5`),
      ends,
    );
    release();
    expect(statuses(received)).toEqual(['504']);
    expect(received).toContain('x-kontor-error-code: DEADLINE_EXCEEDED');
  });

  it('closes the connection with the answer when it was asked to stop meanwhile', async () => {
    const received = exchange(infer(body(-1)), () => false);
    await eventually(() => held.length === 1);
    isDraining = true;
    release();
    expect(await received).toMatch(/HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n/i);
    isDraining = false;
  });

  it('is well although 1,024 requests are in work, and refuses one more with a pause', async () => {
    const sockets: Socket[] = Array.from({ length: 1_024 }, () => connect(port, '127.0.0.1'));
    for (const socket of sockets) socket.write(infer(body(-1)));
    await eventually(() => held.length === 1_024);
    const refused = await exchange(infer(body(1)), ends);
    expect(statuses(refused)).toEqual(['503']);
    expect(refused).toContain('retry-after: 1');
    expect(statuses(await exchange(get('/v2/health/live'), ends))).toEqual(['200']);
    release();
    for (const socket of sockets) socket.destroy();
    expect(statuses(await exchange(infer(body(1)), ends))).toEqual(['200']);
  });

  it('holds at most 64 MiB of bodies at once, whoever sends them', async () => {
    const part = Buffer.alloc(7 * 1024 * 1024, ' ');
    const half = infer('', `Content-Length: ${8 * 1024 * 1024}`);
    const before = records.length;
    const refused: string[] = [];
    const asked = Array.from({ length: 12 }, async () => {
      const received = await exchange(Buffer.concat([Buffer.from(half), part]), ends);
      if (received !== '') refused.push(received);
    });
    // Nine of them fit, and wait for the rest of their bodies until they are cut off.
    await eventually(() => refused.length >= 3);
    server.closeAllConnections();
    await Promise.all(asked);
    for (const received of refused) expect(statuses(received)).toEqual(['503']);
    expect(statuses(await exchange(infer(body(1)), ends))).toEqual(['200']);
    expect(records.length).toBeGreaterThan(before);
  });
});
