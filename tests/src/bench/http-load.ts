import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';

/** What a load process sends, in turns, and what each answer must contain. */
export interface LoadRequest {
  /** POST unless it says otherwise. */
  readonly method?: 'GET';
  /** In path and body, `{unique}` becomes a text that no other call has. */
  readonly path: string;
  readonly body: string;
  /** Part of the right answer's body. */
  readonly expected: string;
}

export interface LoadResult {
  readonly perSecond: number;
  /** Of an even sample of the requests. */
  readonly latenciesMs: readonly number[];
  readonly answers: number;
  /** Answers that were not 200, or did not hold what was expected. */
  readonly wrong: number;
  readonly firstWrong?: string;
}

// A load generator of its own: node:http's client costs more than the servers that are measured. Raw sockets, one request in
// flight on each; every answer is checked.
//
// Arguments: url, file of LoadRequest[], connections, seconds, and `fresh` for a connection per call instead of keep-alive.
// Prints a LoadResult.

const HEAD_END = Buffer.from('\r\n\r\n');
const SAMPLE_EVERY = 8;

const [url = '', file = '', connections = '1', seconds = '1', mode = 'kept'] = process.argv.slice(2);
const { hostname, port, host } = new URL(url);
const isFresh = mode === 'fresh';
const run = `${process.pid}-${Date.now()}`;

const requests = (JSON.parse(readFileSync(file, 'utf8')) as LoadRequest[]).map((request) => {
  const { method = 'POST', path, body, expected } = request;
  const bytesOf = (unique: string): Buffer => {
    const [target, text] = [path, body].map((template) => template.replaceAll('{unique}', unique)) as [string, string];
    const content =
      method === 'GET' ? '' : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n`;
    const close = isFresh ? 'Connection: close\r\n' : '';
    return Buffer.from(`${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${content}${close}\r\n${text}`);
  };
  const isTemplate = `${path}${body}`.includes('{unique}');
  const fixed = bytesOf('');
  return { bytes: (call: number) => (isTemplate ? bytesOf(`${run}-${call}`) : fixed), expected: Buffer.from(expected) };
});

const latenciesMs: number[] = [];
let answers = 0;
let wrong = 0;
let firstWrong: string | undefined;
let next = 0;

/** The length of the answer at the start of the bytes; undefined if they are only a part of it. */
const answerLength = (received: Buffer): number | undefined => {
  const headEnd = received.indexOf(HEAD_END);
  if (headEnd < 0) return undefined;
  const length = /content-length: (\d+)/i.exec(received.toString('latin1', 0, headEnd))?.[1];
  if (length === undefined) throw new Error('an answer came without content-length');
  const whole = headEnd + HEAD_END.length + Number(length);
  return received.length >= whole ? whole : undefined;
};

interface Exchange {
  readonly sentMs: number;
  readonly expected: Buffer;
}

const judge = (received: Buffer, length: number, { sentMs, expected }: Exchange): void => {
  if ((answers += 1) % SAMPLE_EVERY === 0) latenciesMs.push(performance.now() - sentMs);
  if (received.length === length && /^20\d$/.test(received.toString('latin1', 9, 12)) && received.includes(expected))
    return;
  wrong += 1;
  firstWrong ??= received.toString();
};

/** Calls over one connection until its time is up; over a fresh one once. */
const connection = (endMs: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket: Socket = connect(Number(port), hostname);
    socket.setNoDelay(true);
    let received: Buffer = Buffer.alloc(0);
    let exchange: Exchange | undefined;
    const end = (): void => {
      socket.end();
      resolve();
    };
    const send = (): void => {
      const request = requests[(next += 1) % requests.length];
      if (!request || performance.now() >= endMs) return end();
      exchange = { sentMs: performance.now(), expected: request.expected };
      socket.write(request.bytes(next));
    };
    socket.once('connect', send);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the server closed a connection')));
    socket.on('data', (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      const length = answerLength(received);
      if (length === undefined || exchange === undefined) return;
      judge(received, length, exchange);
      received = Buffer.alloc(0);
      if (isFresh) end();
      else send();
    });
  });

const caller = async (endMs: number): Promise<void> => {
  do await connection(endMs);
  while (performance.now() < endMs);
};

const started = performance.now();
const endMs = started + Number(seconds) * 1000;
await Promise.all(Array.from({ length: Number(connections) }, () => caller(endMs)));
const perSecond = answers / ((performance.now() - started) / 1000);
const result: LoadResult = { perSecond, latenciesMs, answers, wrong, ...(firstWrong !== undefined && { firstWrong }) };
console.log(JSON.stringify(result));
