import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
import {
  type AppendChain,
  type AppendRequest,
  type AppendResult,
  claimKey,
  MAX_BATCH_BYTES,
  outsideWindow,
  type PreparedCommand,
  prepareCommand,
} from '@kontor/event-sourcing';
import type pg from 'pg';
import { AppendConnection } from './append-connection.js';
import { isTransient, QueueFull, StoreUnavailable } from './errors.js';

/** More commands a call gained nothing, and a longer call holds the head row longer. */
const MAX_BATCH_COMMANDS = 256;
/** How far into the queue a batch looks for commands that do not depend on each other. */
const MAX_SCANNED = 1_024;
// About a quarter of a second of work at the measured rate: a longer queue only makes every answer late.
const MAX_QUEUED_COMMANDS = 8_192;
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;
const RETRY_AFTER_MS = 250;
const FIRST_BACKOFF_MS = 20;
const MAX_BACKOFF_MS = 1_000;

/** Longer than a restart of PostgreSQL takes, shorter than a person waits. */
export const APPEND_DEADLINE_MS = 10_000;

interface Pending {
  readonly command: PreparedCommand;
  readonly chain: AppendChain | undefined;
  readonly deadlineMs: number;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: unknown) => void;
}

/** Before the caller learns of it, because what stands behind in the chain may be sent first. */
const settle = ({ chain, resolve }: Pending, result: AppendResult): void => {
  if (result.outcome !== 'appended') chain?.break();
  resolve(result);
};

const fail = ({ chain, reject }: Pending, error: unknown): void => {
  chain?.break();
  reject(error);
};

/**
 * Group commit: whatever is queued when the previous commit returns goes into one call of es.append, one transaction,
 * one flush. No linger timer: under load the batch grows by itself.
 *
 * After a connection error the outcome is unknown, so the same ids are sent again until the deadline; what had
 * committed answers `replayed`.
 */
export class AppendBatcher {
  readonly #connection: AppendConnection;
  #queue: Pending[] = [];
  #queuedBytes = 0;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(
    options: pg.ClientConfig,
    private readonly deadlineMs: number = APPEND_DEADLINE_MS,
  ) {
    this.#connection = new AppendConnection(options);
  }

  /** @throws QueueFull, TooLarge, CommandIdOutsideWindow, StoreUnavailable; Error for a request that breaks the contract. */
  async append(request: AppendRequest): Promise<AppendResult> {
    let command: PreparedCommand;
    try {
      command = this.#admit(request);
    } catch (error) {
      request.chain?.break();
      throw error;
    }
    return new Promise<AppendResult>((resolve, reject) => {
      const deadlineMs = Date.now() + this.deadlineMs;
      this.#queue.push({ command, chain: request.chain, deadlineMs, resolve, reject });
      this.#queuedBytes += command.sizeBytes;
      this.#running ??= this.#run();
    });
  }

  #admit(request: AppendRequest): PreparedCommand {
    if (this.#closed) throw new StoreUnavailable('the event store is closed', undefined);
    const command = prepareCommand(request);
    if (this.#queue.length >= MAX_QUEUED_COMMANDS || this.#queuedBytes + command.sizeBytes > MAX_QUEUED_BYTES) {
      throw new QueueFull(RETRY_AFTER_MS);
    }
    return command;
  }

  /** Sends what is queued, then ends the session. Later appends are refused. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    await this.#connection.close();
  }

  async #run(): Promise<void> {
    do {
      // Whoever got an answer just now may send its next command in the same turn of the event loop: it joins this batch.
      // Without the pause the first of them would travel alone and the others wait a whole round trip for it.
      await nextTurn();
      await this.#send(this.#take());
    } while (this.#queue.length > 0);
    this.#running = undefined;
  }

  /**
   * The next batch: at most one command per command id and claim, one chain of commands per stream, and no stream that one
   * guards and another writes. What has to wait keeps its place, and nothing that depends on it overtakes it.
   */
  #take(): Pending[] {
    const batch: Pending[] = [];
    const waiting: Pending[] = [];
    /** By stream: the chain that writes it, undefined if there is none or more than one. */
    const written = new Map<string, AppendChain | undefined>();
    const guarded = new Set<string>();
    const unique = new Set<string>();
    let sizeBytes = 0;
    let next = 0;
    while (next < this.#queue.length && next < MAX_SCANNED && batch.length < MAX_BATCH_COMMANDS) {
      const pending = this.#queue[next];
      if (pending === undefined) break;
      const { id, writes, guards, claims } = pending.command;
      const { chain } = pending;
      if (batch.length > 0 && sizeBytes + pending.command.sizeBytes > MAX_BATCH_BYTES) break;
      next += 1;
      const keys = [id, ...claims.map(claimKey)];
      const collides =
        keys.some((key) => unique.has(key)) ||
        writes.some(
          ({ stream }) => (written.has(stream) && (!chain || written.get(stream) !== chain)) || guarded.has(stream),
        ) ||
        guards.some(({ stream }) => written.has(stream));
      for (const key of keys) unique.add(key);
      for (const { stream } of writes) written.set(stream, collides ? undefined : chain);
      for (const { stream } of guards) guarded.add(stream);
      if (collides) waiting.push(pending);
      else {
        batch.push(pending);
        sizeBytes += pending.command.sizeBytes;
      }
    }
    this.#queue = waiting.concat(this.#queue.slice(next));
    this.#queuedBytes -= sizeBytes;
    return batch;
  }

  /** Settles every command of the batch by its own answer. Never throws. */
  async #send(batch: readonly Pending[]): Promise<void> {
    let open: readonly Pending[] = batch.filter((pending) => {
      if (pending.chain?.isBroken) settle(pending, { outcome: 'broken' });
      return !pending.chain?.isBroken;
    });
    for (let backoffMs = FIRST_BACKOFF_MS; open.length > 0; backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS)) {
      try {
        // Only the database knows which months it remembers, so the ids are checked here and not when they are queued.
        open = refuseForgotten(open, await this.#connection.open());
        if (open.length === 0) return;
        const results = await this.#connection.append(open.map(({ command }) => command));
        open.forEach((pending, index) => {
          const result = results[index];
          if (result) settle(pending, result);
          else fail(pending, new TypeError('es.append gave too few answers'));
        });
        return;
      } catch (error) {
        if (!isTransient(error)) return await this.#sendAlone(open, error);
        await this.#connection.close();
        await delay(backoffMs);
        open = expire(open, error);
        this.#queue = [...expire(this.#queue, error)];
        this.#queuedBytes = this.#queue.reduce((sum, { command }) => sum + command.sizeBytes, 0);
      }
    }
  }

  /** The server refused the batch because of one command: nothing was written. Alone, each gets its own answer. */
  async #sendAlone(batch: readonly Pending[], error: unknown): Promise<void> {
    const [only] = batch;
    if (batch.length === 1 && only) return fail(only, error);
    for (const pending of batch) await this.#send([pending]);
  }
}

/** Rejects commands whose id the log would not remember, and what stands behind them in their chain. @returns the rest. */
const refuseForgotten = (batch: readonly Pending[], oldestKeptMs: number): readonly Pending[] => {
  const nowMs = Date.now();
  return batch.filter((pending) => {
    const refusal =
      outsideWindow(pending.command.id, oldestKeptMs, nowMs) ??
      (pending.chain?.isBroken
        ? new StoreUnavailable('it rests on a command that was refused; send it again', undefined)
        : undefined);
    if (refusal) fail(pending, refusal);
    return refusal === undefined;
  });
};

/** Rejects what has waited too long, and what stands behind it in its chain: it may have been written. @returns the rest. */
const expire = (pending: readonly Pending[], error: unknown): readonly Pending[] => {
  const nowMs = Date.now();
  return pending.filter((one) => {
    if (one.deadlineMs > nowMs && !one.chain?.isBroken) return true;
    fail(
      one,
      new StoreUnavailable('PostgreSQL did not confirm the append in time; send the same command again', error),
    );
    return false;
  });
};
