import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, it } from 'vitest';
import { mlflow } from '../bad-input/fixture.js';
import { type Platform, startPlatform } from '../platform.js';

/** Events that the subscriber must have seen before the next kill, so that each one hits a stream that flows. */
const EVENTS_PER_KILL = 40;
const KILLS = 3;
/** A killed gateway was back after 1 to 13 s on a busy two-core machine. */
const BACK_DEADLINE_MS = 60_000;

let platform: Platform;
beforeAll(async () => {
  platform = await startPlatform();
  return platform.stop;
});

interface Message {
  readonly type: string;
  readonly payload?: { readonly data?: { readonly events?: { readonly position?: string } } };
}

/** The subscriber's socket. */
let current: WebSocket | undefined;

/** Follows the log after a position until the socket ends, whoever ends it. */
const follow = (after: bigint, onPosition: (position: bigint) => void): Promise<void> =>
  new Promise((resolve) => {
    const socket = new WebSocket(`${platform.gatewayUrl.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
    current = socket;
    const query = `subscription { events(after: "${after}") { ... on Event { position } } }`;
    socket.onopen = () => socket.send(JSON.stringify({ type: 'connection_init' }));
    socket.onerror = () => undefined; // 'close' follows
    socket.onclose = () => resolve();
    socket.onmessage = ({ data }) => {
      const { type, payload } = JSON.parse(String(data)) as Message;
      if (type === 'connection_ack') socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }));
      const position = payload?.data?.events?.position;
      if (position !== undefined) onPosition(BigInt(position));
    };
  });

it('a subscriber that comes back with its last position after kill -9 of the gateway misses and repeats nothing', async () => {
  const seen: bigint[] = [];
  let stopped = false;
  const last = (): bigint => seen.at(-1) ?? 0n;
  const subscriber = (async () => {
    while (!stopped) {
      await follow(last(), (position) => seen.push(position));
      await sleep(50);
    }
  })();
  const writer = (async () => {
    for (let n = 0; !stopped; n += 1) {
      // While the door is closed nothing is promised; what the log holds in the end is what counts.
      await mlflow(platform, 'experiments/create', { name: `resume-${n}` }).catch(() => sleep(50));
    }
  })();
  const until = async (count: number): Promise<void> => {
    const deadline = performance.now() + BACK_DEADLINE_MS;
    while (seen.length < count) {
      expect(performance.now(), `${seen.length} of ${count} events\n${platform.output()}`).toBeLessThan(deadline);
      await sleep(20);
    }
  };
  try {
    for (let kill = 0; kill < KILLS; kill += 1) {
      await until(seen.length + EVENTS_PER_KILL);
      const pid = platform.processes()['gateway'];
      if (pid === undefined) throw new Error('the gateway does not run');
      process.kill(pid, 'SIGKILL');
    }
    await until(seen.length + EVENTS_PER_KILL);
  } finally {
    stopped = true;
    await writer;
    current?.close();
    await subscriber;
  }
  expect(seen).toEqual(Array.from({ length: seen.length }, (_, index) => BigInt(index + 1)));
});
