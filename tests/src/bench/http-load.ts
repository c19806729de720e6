import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';

/** What a load process sends, in turns, and what each answer must contain. */
export interface LoadRequest {
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

// A load generator of its own: node:http's client costs more than the servers that are measured. Raw sockets with keep-alive,
// one request in flight on each; every answer is checked.
//
// Arguments: url, file of LoadRequest[], connections, seconds. Prints a LoadResult.

const HEAD_END = Buffer.from('\r\n\r\n');
const SAMPLE_EVERY = 8;

const [url = '', file = '', connections = '1', seconds = '1'] = process.argv.slice(2);
const { hostname, port, host } = new URL(url);
const requests = (JSON.parse(readFileSync(file, 'utf8')) as LoadRequest[]).map(({ path, body, expected }) => ({
  bytes: Buffer.from(
    `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  ),
  expected: Buffer.from(expected),
}));

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

const caller = (endMs: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket: Socket = connect(Number(port), hostname);
    socket.setNoDelay(true);
    let received: Buffer = Buffer.alloc(0);
    let expected: Buffer = received;
    let sentMs = 0;
    const send = (): void => {
      const request = requests[(next += 1) % requests.length];
      if (!request || performance.now() >= endMs) {
        socket.end();
        return resolve();
      }
      expected = request.expected;
      sentMs = performance.now();
      socket.write(request.bytes);
    };
    socket.once('connect', send);
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the server closed a connection')));
    socket.on('data', (chunk: Buffer) => {
      received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
      const length = answerLength(received);
      if (length === undefined) return;
      if ((answers += 1) % SAMPLE_EVERY === 0) latenciesMs.push(performance.now() - sentMs);
      if (received.length !== length || received.toString('latin1', 9, 12) !== '200' || !received.includes(expected)) {
        wrong += 1;
        firstWrong ??= received.toString();
      }
      received = Buffer.alloc(0);
      send();
    });
  });

const started = performance.now();
const endMs = started + Number(seconds) * 1000;
await Promise.all(Array.from({ length: Number(connections) }, () => caller(endMs)));
const perSecond = answers / ((performance.now() - started) / 1000);
const result: LoadResult = { perSecond, latenciesMs, answers, wrong, ...(firstWrong !== undefined && { firstWrong }) };
console.log(JSON.stringify(result));
