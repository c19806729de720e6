// T1 and T3 to T8: what an append promises, whoever is killed, cut off or frozen.
import { setTimeout as delay } from 'node:timers/promises';
import { positionAtTime, tailLog } from '@kontor/event-store';
import { eventually } from '@kontor/testing';
import { consume, prepareConsumers } from './consume.js';
import { headOf } from './fill.js';
import { readApplied, readLog } from './final-state.js';
import { startProxy } from './proxy.js';
import { type Log, type Program, report, type Scenario, type Stage } from './stage.js';
import type { WriterOptions } from './writer.fixture.js';

const STREAMS = 60;
const ROLE = 'kontor_registry';

const optionsOf = (stage: Stage, log: Log, proc: string, rest: Partial<WriterOptions>): WriterOptions => ({
  url: log.urlFor(ROLE),
  history: stage.path(proc),
  proc,
  seed: stage.seed,
  commands: 1_000,
  inFlight: 16,
  streams: STREAMS,
  ...rest,
});

export const killedPostgres: Scenario = {
  name: 'T1',
  title: 'kill -9 PostgreSQL',
  run: async (stage) => {
    const [kills, between] = stage.isShort ? [2, 700] : [10, 4_000];
    const log = await stage.log();
    const options = optionsOf(stage, log, 'w1', { inFlight: 64, commands: (kills + 1) * between });
    const writer = stage.writer(options);
    for (let kill = 0; kill < kills; kill += 1) {
      await writer.said(kill * between + stage.upTo(between));
      await stage.servers.killPostgres();
    }
    await writer.finished();
    return report(`${kills} kills`, await stage.verdict(log, [options.history]));
  },
};

export const manyWriters: Scenario = {
  name: 'T3',
  title: 'many writers, conflicts, double submit',
  run: async (stage) => {
    const writers = stage.isShort ? 2 : 4;
    const log = await stage.log();
    const options = Array.from({ length: writers }, (_, index) =>
      optionsOf(stage, log, `w${index}`, {
        seed: stage.seed + index,
        isExact: true,
        isTwice: true,
        commands: stage.isShort ? 400 : 8_000,
      }),
    );
    await Promise.all(options.map((one) => stage.writer(one).finished()));
    const verdict = await stage.verdict(
      log,
      options.map(({ history }) => history),
    );
    return report(`${writers} processes, each command sent twice at once`, verdict, verdict.refused > 0);
  },
};

export const lostAnswers: Scenario = {
  name: 'T5',
  title: 'answer lost after commit',
  run: async (stage) => {
    const log = await stage.log();
    const url = new URL(log.urlFor(ROLE));
    // A session begins with some 8 answers that change nothing. An answer of es.append comes at its commit, in one piece.
    const proxy = await startProxy(Number(url.port), () => {
      let left = 10 + stage.upTo(60);
      return (direction) => (direction === 'toClient' && (left -= 1) === 0 ? 0 : undefined);
    });
    stage.defer(() => proxy.close());
    url.port = `${proxy.port}`;
    const options = optionsOf(stage, log, 'w1', { url: url.href, inFlight: 8, commands: stage.isShort ? 600 : 15_000 });
    await stage.writer(options).finished();
    const verdict = await stage.verdict(log, [options.history]);
    return report(
      `${proxy.cuts()} cuts between commit and answer, ${verdict.replayed} replayed`,
      verdict,
      verdict.replayed > 0,
    );
  },
};

/** A writer that lives through `kills` kill -9, and then to its end. */
const mortalWriter = async (
  stage: Stage,
  options: WriterOptions,
  kills: number,
  onKill: () => Promise<void>,
): Promise<void> => {
  for (let kill = 0; kill < kills; kill += 1) {
    const writer = stage.writer(options);
    await writer.said(stage.upTo(60));
    writer.kill('SIGKILL');
    await onKill();
    await writer.ended;
  }
  await stage.writer(options).finished();
};

export const killedWriters: Scenario = {
  name: 'T6',
  title: 'kill -9 of a service in a batch',
  run: async (stage) => {
    const [writers, kills] = stage.isShort ? [2, 2] : [4, 25];
    const log = await stage.log();
    let longestMs = 0;
    let idle = 0;
    /** Nobody but a call of es.append may hold the head row, so that it is free again as soon as the server sees the end. */
    const look = async (): Promise<void> => {
      const since = performance.now();
      const { rows } = await log.admin.query<{ idle: number }>(
        `SELECT count(*)::int AS idle FROM pg_stat_activity WHERE application_name = 'kontor-append'
         AND datname = current_database() AND state LIKE 'idle in transaction%'`,
      );
      idle += rows[0]?.idle ?? 0;
      await log.admin.query('SELECT FROM es.log_head FOR UPDATE');
      longestMs = Math.max(longestMs, performance.now() - since);
    };
    const options = Array.from({ length: writers }, (_, index) =>
      optionsOf(stage, log, `w${index}`, { seed: stage.seed + index, commands: kills * 60 + 500 }),
    );
    await Promise.all(options.map((one) => mortalWriter(stage, one, kills, look)));
    const verdict = await stage.verdict(
      log,
      options.map(({ history }) => history),
    );
    const violations = idle > 0 ? [...verdict.violations, `${idle} transactions were left idle`] : verdict.violations;
    const seen = `${writers * kills} kills, head row free within ${longestMs.toFixed(0)} ms`;
    return report(seen, { ...verdict, violations });
  },
};

/**
 * Stops the backend that holds the head row: a gate in front of the table that es.append writes after it shows who that is. It
 * sleeps at the gate, so it holds no lightweight lock, with which it would freeze the whole server.
 */
const freezeHolder = async (log: Log): Promise<number> => {
  const gate = await log.admin.connect();
  try {
    await gate.query('BEGIN; LOCK TABLE es.command IN SHARE MODE');
    const pid = await eventually(async () => {
      const { rows } = await log.admin.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE application_name = 'kontor-append' AND datname = current_database()
         AND wait_event_type = 'Lock' AND wait_event = 'relation'`,
      );
      return rows[0]?.pid;
    });
    process.kill(pid, 'SIGSTOP');
    return pid;
  } finally {
    await gate.query('ROLLBACK');
    gate.release();
  }
};

export const frozenHolder: Scenario = {
  name: 'T7',
  title: 'the holder of the head row is frozen',
  run: async (stage) => {
    const log = await stage.log();
    const [freezes, commands] = stage.isShort ? [1, 1_500] : [3, 8_000];
    // Shorter than the freeze, so that callers hear of it and send again.
    const appendDeadlineMs = stage.isShort ? 1_000 : 5_000;
    const options = ['w1', 'w2'].map((proc, index) =>
      optionsOf(stage, log, proc, { seed: stage.seed + index, isExact: true, commands, appendDeadlineMs }),
    );
    const writers = options.map((one) => stage.writer(one));
    const answers = (): number => writers.reduce((sum, writer) => sum + writer.lines(), 0);
    await Promise.all(writers.map((writer) => writer.said(100)));
    let answeredMeanwhile = 0;
    for (let freeze = 0; freeze < freezes; freeze += 1) {
      const pid = await freezeHolder(log);
      const before = answers();
      await delay(stage.isShort ? 3_000 : 15_000); // above lock_timeout (2 s); the full one above the client's time-out as well
      answeredMeanwhile += answers() - before;
      process.kill(pid, 'SIGCONT');
      const [first] = writers as [Program, ...Program[]];
      await first.said(first.lines() + 200);
    }
    await Promise.all(writers.map((writer) => writer.finished()));
    const verdict = await stage.verdict(
      log,
      options.map(({ history }) => history),
    );
    return report(`${freezes} freezes, ${answeredMeanwhile} answers meanwhile`, verdict);
  },
};

export const foreignTransactions: Scenario = {
  name: 'T8',
  title: 'foreign long transaction, orphaned prepared one',
  run: async (stage) => {
    const server = stage.pool(stage.servers.pgUrl());
    await server.query('ALTER SYSTEM SET max_prepared_transactions = 4');
    await stage.servers.restartPostgres();
    const [log, foreign] = [await stage.log(), await stage.log()];
    const orphan = await log.admin.connect();
    const open = await foreign.admin.connect();
    try {
      // Both have an xid below everything that follows: a reader that waits for the oldest transaction would see nothing.
      await orphan.query(`BEGIN; CREATE TABLE orphan (n int); PREPARE TRANSACTION 'orphan'`);
      await open.query('BEGIN; CREATE TABLE held (n int)');
      const gateway = log.pool('kontor_gateway');
      await prepareConsumers(gateway);
      const stop = new AbortController();
      let applied = 0;
      const consuming = consume({
        pool: gateway,
        owner: 'c1',
        batches: (after) => tailLog({ pool: gateway, after, upcasters: {}, signal: stop.signal }),
        onApplied: (position) => (applied = Number(position)),
      });
      const options = optionsOf(stage, log, 'w1', { commands: stage.isShort ? 500 : 10_000 });
      await stage.writer(options).finished();
      const head = await headOf(log);
      await eventually(() => applied === head, { timeoutMs: 60_000 });
      stop.abort();
      await consuming;
      const copies = { applied: [await readApplied(log.admin)] };
      return report('a consumer reached the head beside both', await stage.verdict(log, [options.history], copies));
    } finally {
      await orphan.query(`ROLLBACK PREPARED 'orphan'`);
      await open.query('ROLLBACK');
      orphan.release();
      open.release();
      await server.query('ALTER SYSTEM RESET max_prepared_transactions');
      await stage.servers.restartPostgres();
    }
  },
};

export const skewedClocks: Scenario = {
  name: 'T18',
  title: 'clock skew',
  run: async (stage) => {
    const hourMs = 3_600_000;
    const log = await stage.log();
    const commands = stage.isShort ? 150 : 1_500;
    const optionsFor = (part: number): WriterOptions[] =>
      [-hourMs, 0, hourMs].map((skewMs, index) =>
        optionsOf(stage, log, `w${part}-${index}`, { seed: stage.seed + index, isTwice: true, skewMs, commands }),
      );
    const before = optionsFor(1);
    await Promise.all(before.map((one) => stage.writer(one).finished()));
    const early = (await readLog(log.admin)).events;

    // The server's clock steps back by an hour, seen from the log: the last event is of an hour ahead. Then a second at a time.
    const step = (interval: string) =>
      log.admin.query(`UPDATE es.log_head SET last_at = greatest(last_at, clock_timestamp()) + interval '${interval}'`);
    await step('1 hour');
    const after = optionsFor(2);
    const writers = after.map((one) => stage.writer(one));
    for (let part = 1; part <= 5; part += 1) {
      await writers[0]?.said((part * commands) / 6);
      await step('1 second');
    }
    await Promise.all(writers.map((writer) => writer.finished()));

    const histories = [...before, ...after].map(({ history }) => history);
    const verdict = await stage.verdict(log, histories);
    const wrong: string[] = [];
    for (let sample = 0; sample < 50; sample += 1) {
      const time = early[stage.upTo(early.length) - 1]?.recordedAt ?? '';
      const wanted = early.findLast(({ recordedAt }) => recordedAt <= time)?.pos;
      const got = Number(await positionAtTime(log.admin, time));
      if (got !== wanted) wrong.push(`${time} is position ${got}, not ${wanted}`);
    }
    const seen = 'ids of clients an hour behind and ahead, the clock of the log an hour ahead of the server';
    return report(seen, { ...verdict, violations: [...verdict.violations, ...wrong] }, verdict.replayed > 0);
  },
};
