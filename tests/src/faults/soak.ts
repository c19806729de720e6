// T26: minutes or hours of moderate traffic while everything is killed in turn. What holds must go on to hold, and nothing may grow.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isTransient, runRelay, runSealer } from '@kontor/event-store';
import { chainPublisher, connectNats, ensureStreams } from '@kontor/messaging';
import { eventually } from '@kontor/testing';
import { quantile } from '../bench/report.js';
import { newKey } from './audit.js';
import type { ConsumerOptions } from './consumer.fixture.js';
import { prepareConsumers } from './consume.js';
import { readApplied, readMessages, readNotes, readRows } from './final-state.js';
import { readHistoryFrom } from './history.js';
import { type Log, ORIGIN, type Program, report, type Scenario, type Stage } from './stage.js';
import type { WriterOptions } from './writer.fixture.js';

/** Of both writers together. A command has 2.6 events on average, so this is some 500 events/s. */
const COMMANDS_PER_S = 200;
/** Some 310,000 events: the checker holds all of them at once, in 1.5 GB. A soak of more than 10 minutes is slower instead. */
const MAX_COMMANDS = 120_000;
const SAMPLE_MS = 10_000;
/** Between two kills there is time to recover and to be measured. */
const [MIN_PAUSE_MS, MORE_PAUSE_MS] = [8_000, 8_000];
const AWAY_MS = 2_000;
/** After what was killed is back: sessions are made anew, and the first plans. */
const SETTLE_MS = 3_000;
const CATCH_UP = { timeoutMs: 300_000 };
/** Fewer answers than this give no 99th percentile. */
const MIN_LATENCIES = 100;
/** A third of the samples is warm-up. What is watched may be so much higher in the last third than in the second. */
const GROWTH = {
  rssMb: { factor: 1.5, more: 64 },
  pages: { factor: 2, more: 64 },
  lag: { factor: 2, more: 1_000 },
  latencyMsP99: { factor: 3, more: 30 },
};

/** The line of a stack trace that says what happened. */
const reasonOf = (error: unknown): string => /^\w*[Ee]rror: .*$/m.exec((error as Error).message)?.[0] ?? String(error);

/** Starts a program again whenever it has ended, until it ends well. @param mayFail whether it may end by itself when a server is away */
const keepAlive = (name: string, start: () => Program, mayFail: boolean) => {
  let program = start();
  let isStopped = false;
  const done = (async () => {
    for (;;) {
      const { code, signal } = await program.ended;
      if (code === 0 || isStopped) return;
      if (signal === null)
        await program
          .finished()
          .catch((error: unknown) =>
            mayFail ? console.log(`     ${name} ended by itself: ${reasonOf(error)}`) : Promise.reject(error),
          );
      await delay(250);
      program = start();
    }
  })();
  done.catch(() => undefined); // whoever waits for it says it
  const kill = (): void => program.kill('SIGKILL');
  const stop = async (): Promise<void> => {
    isStopped = true;
    kill();
    await done;
  };
  return { pid: () => program.pid, kill, done, stop };
};

interface State {
  readonly head: number;
  readonly relayed: number;
  readonly applied: number;
  readonly sealed: number;
  readonly headPages: number;
  readonly streamPages: number;
  readonly consumerPages: number;
  readonly relayPages: number;
}

interface Sample extends State {
  readonly rssMb: Readonly<Record<string, number>>;
  /** Of the answers that no kill touched since it was last said; undefined while they are few. */
  readonly latencyMsP99: number | undefined;
}

/** @returns undefined while PostgreSQL is away */
const stateOf = async ({ admin }: Log): Promise<State | undefined> => {
  try {
    const { rows } = await admin.query<State>(
      `SELECT last_pos::int AS head, coalesce((SELECT acked_pos FROM es.relay WHERE name = 'jetstream'), 0)::int AS relayed,
              coalesce((SELECT min(pos) FROM gateway.consumer), 0)::int AS applied,
              coalesce((SELECT max(size) FROM es.seal), 0)::int AS sealed,
              (pg_relation_size('es.log_head') / 8192)::int AS "headPages", (pg_relation_size('es.stream') / 8192)::int AS "streamPages",
              (pg_relation_size('gateway.consumer') / 8192)::int AS "consumerPages",
              (pg_relation_size('es.relay') / 8192)::int AS "relayPages"
       FROM es.log_head`,
    );
    return rows[0];
  } catch (error) {
    if (!isTransient(error)) throw error;
    return undefined;
  }
};

/** Resident memory in MB; 0 if the process is just gone. */
const rssMbOf = (pid: number): number =>
  Math.round(Number(spawnSync('ps', ['-o', 'rss=', '-p', `${pid}`], { encoding: 'utf8' }).stdout) / 1_024);

/** @param of a highest value for what must stay bounded, a median for what a kill may push up for a moment */
const growth = (
  name: string,
  values: readonly number[],
  { factor, more }: { readonly factor: number; readonly more: number },
  of: (values: readonly number[]) => number,
): string[] => {
  const third = Math.floor(values.length / 3);
  const [before, last] = [of(values.slice(third, -third)), of(values.slice(-third))];
  return last <= before * factor + more ? [] : [`${name} grew from ${before} to ${last}, above ${factor} x + ${more}`];
};
const highest = (values: readonly number[]): number => Math.max(...values);
const median = (values: readonly number[]): number => quantile(values, 0.5);

/** What grew between the second third of the samples and the last. */
const grownOf = (samples: readonly Sample[]): string[] => {
  const lags = { relay: 'relayed', consumer: 'applied', sealer: 'sealed' } as const;
  const tables = {
    'es.log_head': 'headPages',
    'es.stream': 'streamPages',
    'gateway.consumer': 'consumerPages',
    'es.relay': 'relayPages',
  } as const;
  const p99s = samples.flatMap(({ latencyMsP99 }) => latencyMsP99 ?? []);
  return [
    ...Object.keys(samples[0]?.rssMb ?? {}).flatMap((name) => {
      const values = samples.map(({ rssMb }) => rssMb[name] ?? 0);
      return growth(`memory of ${name} in MB`, values, GROWTH.rssMb, highest);
    }),
    ...Object.entries(tables).flatMap(([name, pages]) => {
      const values = samples.map((sample) => sample[pages]);
      return growth(`pages of ${name}`, values, GROWTH.pages, highest);
    }),
    ...Object.entries(lags).flatMap(([name, position]) => {
      const values = samples.map((sample) => sample.head - sample[position]);
      return growth(`events that the ${name} is behind`, values, GROWTH.lag, median);
    }),
    ...growth('p99 of an append in ms', p99s, GROWTH.latencyMsP99, median),
  ];
};

type Kill = [startedAt: number, settledAt: number];

/**
 * Follows a history while it is written.
 * @returns reads on: milliseconds from the last sending to the answer, of new answers that no kill touched
 */
const followLatencies = (path: string, kills: readonly Kill[]): (() => number[]) => {
  const sent = new Map<string, number>();
  const isCalm = (from: number, to: number): boolean => kills.every(([start, end]) => to < start || from > end);
  let offset = 0;
  return () => {
    if (!existsSync(path)) return []; // the writer is only starting
    const { operations, end } = readHistoryFrom(path, offset);
    offset = end;
    return operations.flatMap(({ op, cmd, t }) => {
      if (op === 'invoke') {
        sent.set(cmd, t);
        return [];
      }
      const from = sent.get(cmd) ?? t;
      sent.delete(cmd);
      return op === 'ok' && isCalm(from, t) ? [t - from] : [];
    });
  };
};

/** @param minutes how long the writers write */
export const soak = (minutes: number): Scenario => ({
  name: 'T26',
  title: `soak of ${minutes} minutes`,
  run: async (stage: Stage) => {
    const commands = Math.min(COMMANDS_PER_S * minutes * 60, MAX_COMMANDS);
    const [log, nats] = [await stage.log(), await stage.nats()];
    await prepareConsumers(log.pool('kontor_gateway'));
    const { signer, publicKey } = newKey();
    const stop = new AbortController();
    const nc = await connectNats(nats.url, 'relay');
    stage.defer(() => nc.close());
    const identity = { origin: ORIGIN, base: 0n };
    await ensureStreams(nc, identity);
    const pool = log.pool('kontor_registry');
    const running = Promise.all([
      runRelay({ pool, target: chainPublisher(nc, identity), signal: stop.signal }),
      runSealer({ pool, signers: [signer], signal: stop.signal }),
    ]);
    running.catch(() => undefined); // the end of the scenario says it
    const writers = ['w1', 'w2'].map((proc, index) => {
      const options: WriterOptions = {
        url: log.urlFor('kontor_registry'),
        history: stage.path(proc),
        proc,
        seed: stage.seed + index,
        commands: commands / 2,
        inFlight: 16,
        streams: 200,
        commandsPerS: commands / 2 / (minutes * 60),
      };
      return { ...keepAlive(proc, () => stage.writer(options), false), history: options.history };
    });
    const consumerOptions: ConsumerOptions = {
      url: log.urlFor('kontor_gateway'),
      natsUrl: nats.url,
      owner: 'c1',
      until: Number.MAX_SAFE_INTEGER,
      isProjecting: true,
    };
    const consumer = keepAlive('consumer', () => stage.program('consumer', consumerOptions), true);

    const kills: Kill[] = [];
    const readers = writers.map(({ history }) => followLatencies(history, kills));
    const calm: number[] = [];
    const recent: number[] = [];
    const samples: Sample[] = [];
    const sample = async (): Promise<void> => {
      const state = await stateOf(log);
      if (state === undefined) return console.log('     PostgreSQL is away');
      const pids = {
        relay: process.pid,
        nats: nats.pid(),
        consumer: consumer.pid(),
        postgres: stage.servers.pgPid(),
      };
      const rss = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, rssMbOf(pid)]));
      const latencies = readers.flatMap((read) => read());
      calm.push(...latencies);
      recent.push(...latencies);
      const latencyMsP99 = recent.length < MIN_LATENCIES ? undefined : quantile(recent.splice(0), 0.99);
      samples.push({ ...state, rssMb: rss, latencyMsP99 });
      const { head, relayed, applied, sealed, headPages, streamPages, consumerPages, relayPages } = state;
      const memory = Object.entries(rss)
        .map(([name, mb]) => `${name} ${mb}`)
        .join(', ');
      console.log(
        `     head ${head}, behind: relay ${head - relayed}, consumer ${head - applied}, seal ${head - sealed}; p99 ${latencyMsP99 ?? '-'} ms; pages: log_head ${headPages}, stream ${streamPages}, consumer ${consumerPages}, relay ${relayPages}; RSS MB: ${memory}`,
      );
    };

    const strikes: Record<string, () => Promise<void> | void> = {
      postgres: () => stage.servers.killPostgres(),
      nats: async () => {
        await nats.kill();
        await delay(AWAY_MS);
        await nats.start();
      },
      writer: () => writers[stage.upTo(2) - 1]?.kill(),
      consumer: consumer.kill,
    };
    const killed: string[] = [];
    let isWriting = true;
    const striking = (async () => {
      for (let order: string[] = []; ;) {
        await delay(MIN_PAUSE_MS + stage.chance() * MORE_PAUSE_MS);
        if (!isWriting) return;
        if (order.length === 0) order = Object.keys(strikes);
        const [name = ''] = order.splice(stage.upTo(order.length) - 1, 1);
        console.log(`     kill -9 ${name}`);
        const kill: Kill = [Date.now(), Infinity];
        kills.push(kill);
        await strikes[name]?.();
        kill[1] = Date.now() + SETTLE_MS;
        killed.push(name);
      }
    })();
    const sampling = (async () => {
      for (; isWriting; await delay(SAMPLE_MS)) await sample();
    })();
    try {
      await Promise.race([Promise.all(writers.map(({ done }) => done)), running, striking, sampling]);
      isWriting = false;
      await Promise.all([striking, sampling]);
      const isCaughtUp = eventually(async () => {
        const state = await stateOf(log);
        return state && [state.relayed, state.applied, state.sealed].every((position) => position === state.head);
      }, CATCH_UP);
      await Promise.race([isCaughtUp, running]);
      await sample();
    } finally {
      isWriting = false;
      stop.abort();
      await consumer.stop();
    }
    await running;

    const histories = writers.map(({ history }) => history);
    const copies = {
      applied: [await readApplied(log.admin)],
      rows: await readRows(log.admin),
      messages: await readMessages(nats.url),
      checkpoints: { publicKey, notes: await readNotes(log.admin) },
    };
    const verdict = await stage.verdict(log, histories, copies);
    const counts = Object.entries(Object.groupBy(killed, (name) => name)).map(
      ([name, all]) => `${all?.length} ${name}`,
    );
    const seen = `${killed.length} kills (${counts.join(', ')}), append p50 ${quantile(calm, 0.5)} ms, p99 ${quantile(calm, 0.99)} ms apart from them`;
    return report(seen, { ...verdict, violations: [...verdict.violations, ...grownOf(samples)] }, killed.length > 0);
  },
});
