import { type Context, EventStoreError, type RecordedEvent } from '@kontor/event-sourcing';
import { CheckpointLost, LEASE_MS } from '@kontor/event-store';
import type { CommandReply } from '@kontor/messaging';
import { derivedId, type DispatchRequest, type Enrich, type WaitingCommand } from '@kontor/service';
import { Bell, type Connection, type Process } from './process.js';

const RETRY_MS = 500;
const IDLE_MS = 1_000;
const MAX_BATCH = 8; // small, so that there are many transactions to die between

/** A command that follows from an event, and the answer that it got, with its moment. */
export type OutboxRow = Omit<WaitingCommand, 'now'> & { reply?: CommandReply; settledAt?: number };

/** What a context's schema in PostgreSQL holds for its reactions. It outlives every process. */
export interface ReactionTables {
  position: bigint;
  fence: number;
  owner: string;
  leaseUntilMs: number;
  readonly outbox: OutboxRow[];
}

export const emptyTables = (): ReactionTables => ({ position: 0n, fence: 0, owner: '', leaseUntilMs: 0, outbox: [] });

export interface ReactorParts {
  readonly process: Process;
  readonly host: string;
  readonly context: Context;
  readonly tables: ReactionTables;
  readonly store: Connection;
  readonly enrich: Readonly<Record<string, Enrich>>;
  readonly dispatch: (request: DispatchRequest) => Promise<CommandReply>;
}

/**
 * The protocol of a service's reactions: what follows from events goes into the outbox in the transaction that moves the
 * checkpoint; a worker dispatches it in order, and does so again if it died before it had noted the reply.
 */
export class Reactor {
  readonly #heard: RecordedEvent[] = [];
  readonly #news = new Bell();
  readonly #work = new Bell();

  constructor(protected readonly parts: ReactorParts) {}

  start(): void {
    const { world } = this.parts.process;
    world.start(this.#supervise(() => this.#consume()));
    world.start(this.#supervise(() => this.#carryOutAll()));
  }

  /** The bus says that there is an event; it may say so late, twice, or never. */
  hear(event: RecordedEvent): void {
    this.#heard.push(event);
    this.#news.ring();
  }

  async #supervise(body: () => Promise<never>): Promise<never> {
    for (;;) {
      try {
        await body();
      } catch (error) {
        if (!(error instanceof EventStoreError && error.retryable)) throw error;
        // Whoever holds the checkpoint has the whole lease.
        await this.parts.process.pause(error instanceof CheckpointLost ? LEASE_MS / 2 : RETRY_MS);
      }
    }
  }

  async #claim(): Promise<{ readonly fence: number; readonly position: bigint }> {
    const { process, host, tables, context } = this.parts;
    await process.step();
    const isFree = tables.owner === '' || tables.owner === host || tables.leaseUntilMs < process.world.nowMs;
    if (!isFree) throw new CheckpointLost(`${context.name}.reactions`, tables.owner);
    Object.assign(tables, { owner: host, fence: tables.fence + 1, leaseUntilMs: process.world.nowMs + LEASE_MS });
    const { fence, position } = tables;
    await process.step();
    return { fence, position };
  }

  /** Pages of the log at the start and after a gap or silence; else the bus, where it goes on without one. */
  async #consume(): Promise<never> {
    const { process, store } = this.parts;
    const { fence, position: claimed } = await this.#claim();
    let position = claimed;
    for (;;) {
      const page: RecordedEvent[] = [];
      for await (const event of store.readAll(position)) page.push(event);
      while (page.length > 0) {
        const batch = page.splice(0, 1 + process.world.below(MAX_BATCH));
        await this.#take(fence, batch);
        position = batch.at(-1)?.position ?? position;
      }
      for (;;) {
        if (this.#heard.length === 0) await process.pause(IDLE_MS, this.#news);
        const event = this.#heard.shift();
        if (event && event.position <= position) continue;
        if (event?.position !== position + 1n) break;
        await this.#take(fence, [event]);
        position = event.position;
      }
    }
  }

  async #take(fence: number, batch: readonly RecordedEvent[]): Promise<void> {
    const { process, tables, context } = this.parts;
    await process.step();
    if (tables.fence !== fence) throw new CheckpointLost(`${context.name}.reactions`, tables.owner);
    const rows = batch.filter(({ position }) => position > tables.position).flatMap((event) => this.#rowsOf(event));
    const last = batch.at(-1)?.position ?? tables.position;
    await this.commit(
      () => tables.outbox.push(...rows),
      () => {
        tables.position = last > tables.position ? last : tables.position;
        tables.leaseUntilMs = process.world.nowMs + LEASE_MS;
      },
    );
    await process.step();
    this.#work.ring();
  }

  /** One transaction. */
  protected async commit(effect: () => void, checkpoint: () => void): Promise<void> {
    effect();
    checkpoint();
  }

  #commandId(event: RecordedEvent, ordinal: number): string {
    const { eventId, recordedAt } = event;
    return derivedId({ process: this.parts.context.name, step: ordinal, eventId, recordedAt });
  }

  #rowsOf(event: RecordedEvent): OutboxRow[] {
    const { reactions } = this.parts.context;
    if (!reactions.canHandle.includes(event.type)) return [];
    return reactions.react(event).map(({ type, data, workspace = event.workspace }, ordinal) => ({
      position: String(event.position),
      ordinal,
      workspace,
      commandId: this.#commandId(event, ordinal),
      type,
      data: JSON.parse(JSON.stringify(data)) as unknown,
      correlationId: event.meta.correlationId,
      causationId: event.eventId,
    }));
  }

  async #carryOutAll(): Promise<never> {
    const { process, tables } = this.parts;
    for (;;) {
      await process.step();
      const waiting = tables.outbox.filter(({ reply }) => reply === undefined);
      for (const row of waiting) await this.#carryOut(row);
      if (waiting.length === 0) await process.pause(RETRY_MS, this.#work);
    }
  }

  async #carryOut(row: OutboxRow): Promise<void> {
    const { process, context, enrich, dispatch } = this.parts;
    const { type, workspace, commandId, correlationId, causationId } = row;
    for (;;) {
      const waiting = { ...row, now: process.world.now };
      const data = (await enrich[type]?.(waiting)) ?? row.data;
      const actor = { id: `service:${context.name}`, kind: 'service', roles: [] } as const;
      const metadata = { commandId, workspace, actor, now: waiting.now, correlationId, causationId };
      const reply = await dispatch({ type, data, asked: row.data, isWanted: () => this.isOpen(row), metadata });
      if (reply.outcome === 'rejected' && reply.code === 'NO_LONGER_WANTED') return;
      const isBusy = reply.outcome === 'rejected' && reply.code === 'CONFLICT';
      if (isBusy || (reply.outcome === 'failed' && reply.code === 'UNAVAILABLE')) {
        await process.pause(RETRY_MS);
        continue;
      }
      await process.step();
      if (row.reply === undefined) Object.assign(row, { reply, settledAt: process.world.moment });
      await process.step();
      return;
    }
  }

  /** Whether no worker has noted an answer. */
  protected async isOpen(row: OutboxRow): Promise<boolean> {
    const { process } = this.parts;
    await process.step();
    const isOpen = row.reply === undefined;
    await process.step();
    return isOpen;
  }
}
