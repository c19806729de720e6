import pg from 'pg';
import { connectionOf } from './append-connection.js';
import { pause } from './pause.js';

const RECONNECT_MS = 500;

/**
 * One dedicated session that listens on a channel. A notification is only a hint that something moved: whoever waits
 * also polls, so a lost session costs latency and nothing else, and is opened again quietly.
 */
export class Listener {
  readonly #waiting = new Set<() => void>();
  #client: pg.Client | undefined;
  #closed = false;
  #seen = 0;
  readonly #running: Promise<void>;
  readonly #stop = new AbortController();

  constructor(
    private readonly options: pg.ClientConfig,
    private readonly channel: string,
    /** Called when the session has ended: notifications may be lost until the next one listens. */
    private readonly onEnd?: () => void,
  ) {
    this.#running = this.#run();
  }

  /** How many notifications came so far. Read it before looking at the truth, then pass it to {@link wait}. */
  get seen(): number {
    return this.#seen;
  }

  /** Lets all who wait go on, as a notification does. */
  wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  /** Waits for a notification after the one numbered `seen`, or for `timeoutMs`, whichever comes first. */
  async wait(seen: number, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    if (this.#seen > seen || this.#closed || signal?.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      signal?.addEventListener('abort', done);
      this.#waiting.add(done);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stop.abort();
    this.wake();
    await this.#client?.end();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const client = new pg.Client({
        ...connectionOf(this.options),
        application_name: `kontor-listen-${this.channel}`,
      });
      const ended = new Promise<void>((resolve) =>
        client.once('end', () => {
          this.onEnd?.();
          resolve();
        }),
      );
      client.on('error', () => undefined); // 'end' follows, and the loop connects again
      client.on('notification', () => {
        this.#seen += 1;
        this.wake();
      });
      try {
        this.#client = client;
        const listening = client.connect().then(() => client.query(`LISTEN ${pg.escapeIdentifier(this.channel)}`));
        // pg never settles a `connect` that `end` has overtaken, so the end of the session ends this wait too.
        await Promise.race([listening, ended]);
        await ended;
      } catch {
        // The poll of whoever waits goes on; it also reports the trouble, because its queries fail.
        await client.end();
      }
      await pause(RECONNECT_MS, this.#stop.signal);
    }
  }
}
