// T2 and T9 to T13: JetStream is a cache of the log. Whatever happens to it, it comes to hold the log again at
// sequence = position - base, and no consumer misses or doubles anything.
import { cp, rm } from 'node:fs/promises';
import type { EventStore } from '@kontor/event-sourcing';
import { createEventStore, runRelay } from '@kontor/event-store';
import { chainPublisher, connectNats, ensureStreams, eventFeed, EVENTS_STREAM } from '@kontor/messaging';
import { eventually } from '@kontor/testing';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type pg from 'pg';
import { send, Workload } from './client.js';
import { consume, prepareConsumers } from './consume.js';
import { readApplied, readMessages } from './final-state.js';
import { HistoryFile } from './history.js';
import { startProxy } from './proxy.js';
import { type Log, type Nats, type Report, report, type Scenario, type Stage } from './stage.js';

const IDENTITY = { origin: 'kontor.example/log/0', base: 0n };
const STREAMS = Array.from({ length: 200 }, (_, index) => `default/registry/run/${index}`);
const IN_FLIGHT = 64;
/** A long queue drains at some 10 k events/s on two busy cores. */
const CATCH_UP = { timeoutMs: 300_000 };

/** A log, its copy in JetStream, and one consumer that follows the copy. */
class Chain {
  private constructor(
    readonly stage: Stage,
    readonly log: Log,
    readonly nats: Nats,
    private readonly nc: NatsConnection,
    private readonly store: EventStore,
    private readonly relayPool: pg.Pool,
    private readonly history: HistoryFile,
    private readonly historyPath: string,
  ) {}

  readonly #stop = new AbortController();
  readonly #ended: Promise<unknown>[] = [];
  retries = 0;
  applied = 0;

  static async open(stage: Stage): Promise<Chain> {
    const [log, nats] = [await stage.log(), await stage.nats()];
    const relayPool = log.pool('kontor_registry');
    const store = createEventStore(relayPool, { upcasters: {} });
    stage.defer(() => store.close());
    const nc = await connectNats(nats.url, 'faults');
    stage.defer(() => nc.close());
    await ensureStreams(nc, IDENTITY);
    const path = stage.path('w1');
    const history = new HistoryFile(path, 'w1');
    const chain = new Chain(stage, log, nats, nc, store, relayPool, history, path);
    stage.defer(() => chain.stop());
    return chain;
  }

  /** @param natsUrl another way to the server @param name each one is a leader of its own */
  async relay({ natsUrl = this.nats.url, name = 'jetstream' } = {}): Promise<void> {
    const nc = await connectNats(natsUrl, 'relay');
    this.stage.defer(() => nc.close());
    const target = chainPublisher(nc, IDENTITY);
    const running = runRelay({
      pool: this.relayPool,
      target,
      signal: this.#stop.signal,
      name,
      onRetry: () => (this.retries += 1),
    });
    this.#ended.push(running);
    running.catch(() => undefined); // `stop` and `caughtUp` say it
  }

  async consumer(): Promise<void> {
    const pool = this.log.pool('kontor_gateway');
    await prepareConsumers(pool);
    const nc = await connectNats(this.nats.url, 'consumer');
    this.stage.defer(() => nc.close());
    const { store } = this;
    const running = consume({
      pool,
      owner: 'c1',
      batches: (after) =>
        eventFeed({
          nc,
          base: 0n,
          after,
          readAll: (from) => store.readAll(from),
          upcasters: {},
          signal: this.#stop.signal,
        }),
      onApplied: (position) => (this.applied = Number(position)),
    });
    this.#ended.push(running);
    running.catch(() => undefined);
  }

  async append(commands: number): Promise<void> {
    const workload = new Workload(this.stage.chance, STREAMS, false);
    let left = commands;
    const caller = async (): Promise<void> => {
      while (left-- > 0) await send(this.store, this.history, workload.next(), { text: 'Grüße 模型 🙂' });
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
  }

  head = async (): Promise<number> => Number(await this.store.head());

  /** Waits until JetStream and the consumer have all of the log. @throws what ended a relay or the consumer */
  async caughtUp(): Promise<void> {
    const head = await this.head();
    const ended = Promise.all(this.#ended);
    const held = eventually(async () => {
      const { state } = await (await jetstreamManager(this.nc)).streams.info(EVENTS_STREAM);
      return state.last_seq >= head;
    }, CATCH_UP);
    await Promise.race([held, ended]);
    await Promise.race([eventually(() => this.applied >= head, CATCH_UP), ended]);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#ended);
  }

  async report(seen: string, isHit = true): Promise<Report> {
    await this.caughtUp();
    const copies = { messages: await readMessages(this.nats.url), applied: [await readApplied(this.log.admin)] };
    return report(seen, await this.stage.verdict(this.log, [this.historyPath], copies), isHit);
  }
}

export const killedNats: Scenario = {
  name: 'T2',
  title: 'kill -9 nats-server',
  run: async (stage) => {
    const [kills, commands] = stage.isShort ? [2, 200] : [8, 4_000];
    const chain = await Chain.open(stage);
    await chain.relay();
    await chain.consumer();
    for (let kill = 0; kill < kills; kill += 1) {
      const appending = chain.append(commands);
      await eventually(async () => chain.applied >= (await chain.head()) / 2, CATCH_UP); // in the middle of the traffic
      await chain.nats.kill();
      await appending;
      await chain.nats.start();
    }
    return await chain.report(`${kills} kills`);
  },
};

export const relayDuel: Scenario = {
  name: 'T9',
  title: 'relay duel',
  run: async (stage) => {
    const chain = await Chain.open(stage);
    await chain.append(stage.isShort ? 300 : 10_000); // both have something to publish from the start
    for (const name of ['a', 'b']) await chain.relay({ name });
    await chain.consumer();
    await chain.append(stage.isShort ? 300 : 10_000);
    await chain.caughtUp();
    return await chain.report(`two relays without a common leader, ${chain.retries} broken chains`);
  },
};

export const cutRelay: Scenario = {
  name: 'T10',
  title: 'relay cut at random bytes',
  run: async (stage) => {
    const chain = await Chain.open(stage);
    const cuts = stage.isShort ? 1 : 12; // the relay waits 5 s for an answer that was cut off
    let left = cuts;
    const proxy = await startProxy(chain.nats.port, () => {
      let budget = stage.upTo(1_000_000); // a chain of 500 messages has some 300 kB
      return (direction, chunk) => {
        if (direction === 'toClient' || left === 0 || (budget -= chunk.length) >= 0) return undefined;
        left -= 1;
        return chunk.length + budget;
      };
    });
    stage.defer(() => proxy.close());
    const url = new URL(chain.nats.url);
    url.port = `${proxy.port}`;
    await chain.append(stage.isShort ? 1_000 : 15_000);
    await chain.relay({ natsUrl: url.href });
    await chain.consumer();
    await chain.caughtUp();
    return await chain.report(`${cuts - left} cuts, ${chain.retries} tries again`, left < cuts);
  },
};

export const amnesia: Scenario = {
  name: 'T11',
  title: 'JetStream amnesia',
  run: async (stage) => {
    const commands = stage.isShort ? 150 : 5_000;
    const chain = await Chain.open(stage);
    const { nats } = chain;
    await chain.relay();
    await chain.consumer();
    await chain.append(commands);
    await chain.caughtUp();
    await nats.kill();
    await cp(nats.storeDir, `${nats.storeDir}-old`, { recursive: true });
    await nats.start();
    await chain.append(commands);
    await chain.caughtUp();
    const forgotten = await chain.head();
    await nats.kill();
    await rm(nats.storeDir, { recursive: true });
    await cp(`${nats.storeDir}-old`, nats.storeDir, { recursive: true });
    await nats.start();
    const { lastSequence } = await readMessages(nats.url);
    await chain.append(commands);
    return await chain.report(`forgot its last ${forgotten - lastSequence} messages or less`);
  },
};

export const deletedStore: Scenario = {
  name: 'T12',
  title: 'JetStream store deleted',
  run: async (stage) => {
    const commands = stage.isShort ? 150 : 5_000;
    const chain = await Chain.open(stage);
    await chain.relay();
    await chain.consumer();
    await chain.append(commands);
    await chain.caughtUp();
    await chain.nats.kill();
    await rm(chain.nats.storeDir, { recursive: true });
    await chain.append(commands);
    await chain.nats.start();
    return await chain.report('all files gone, stream made again and filled');
  },
};

export const natsAway: Scenario = {
  name: 'T13',
  title: 'NATS away',
  run: async (stage) => {
    const commands = stage.isShort ? 500 : 50_000;
    const chain = await Chain.open(stage);
    await chain.relay();
    await chain.consumer();
    await chain.nats.kill();
    const since = performance.now();
    await chain.append(commands);
    const appendedS = (performance.now() - since) / 1_000;
    const backlog = await chain.head();
    // The consumer does not need JetStream: it reads the log's pages meanwhile.
    await eventually(() => chain.applied >= backlog, CATCH_UP);
    await chain.nats.start();
    const back = performance.now();
    await chain.caughtUp();
    const rate = backlog / ((performance.now() - back) / 1_000);
    return await chain.report(
      `${backlog} events in ${appendedS.toFixed(1)} s without NATS, caught up at ${rate.toFixed(0)}/s`,
    );
  },
};
