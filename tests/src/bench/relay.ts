import { setTimeout as delay } from 'node:timers/promises';
import { createPool, createEventStore, type PostgresEventStore, readRawPage, runRelay } from '@kontor/event-store';
import { chainPublisher, connectNats, ensureStreams, eventFeed, EVENTS_STREAM, toMessage } from '@kontor/messaging';
import { jetstream, JetStreamApiError, jetstreamManager } from '@nats-io/jetstream';
import { MsgHdrsImpl, type NatsConnection } from '@nats-io/transport-node';
import type pg from 'pg';
import { machineFacts, postgresFacts } from './machine.js';
import { type BenchReport, median, quantile, ratioRow, valueRow } from './report.js';
import { startBenchNats, startBenchServer } from './server.js';
import { checkLog, DATA, generateLog, META, ORIGIN, request, uuidv7 } from './workload.js';

const ROUNDS = 3;
const BEHIND_EVENTS = 1_000_000;
/** Held in memory as messages. With 100,000 of them the garbage collector slows the relay, which shares the process. */
const RAW_MESSAGES = 30_000;
/** As many messages to an acknowledgement as the fastest chain had that was measured. */
const RAW_CHAIN = 500;
const RELAY_BAR = 0.6;

const SUBMITTED_PER_SECOND = 1_000;
const SUBMIT_SECONDS = 10;
const P50_BAR_MS = 5;
const P99_BAR_MS = 50;
const PROGRESS_POLL_MS = 50; // asking more often takes from what is measured

const STREAM_NOT_FOUND = 10059; // @source nats-server, server/errors.json
/** A stream of 1,000,000 messages is a gigabyte of files, and the disk is busy with the log's. */
const DELETE_TIMEOUT_MS = 60_000;

const identity = { origin: ORIGIN, base: 0n };

/** An empty stream of events, as the provisioner makes it. */
const newStream = async (nc: NatsConnection): Promise<void> => {
  const jsm = await jetstreamManager(nc, { timeout: DELETE_TIMEOUT_MS });
  await jsm.streams.delete(EVENTS_STREAM).catch((error: unknown) => {
    // The first round finds none.
    if (!(error instanceof JetStreamApiError) || error.code !== STREAM_NOT_FOUND) throw error;
  });
  await ensureStreams(nc, identity);
};

/** Messages per second of nothing but publishing: encoded beforehand, chained, one acknowledgement per 500. */
const publishRaw = async (
  nc: NatsConnection,
  messages: readonly { readonly subject: string; readonly message: ReturnType<typeof toMessage> }[],
): Promise<number> => {
  const js = jetstream(nc);
  const started = performance.now();
  for (const [index, { subject, message }] of messages.entries()) {
    const { headers, data } = message;
    if ((index + 1) % RAW_CHAIN === 0 || index + 1 === messages.length) await js.publish(subject, data, { headers });
    else nc.publish(subject, data, { headers });
  }
  return messages.length / ((performance.now() - started) / 1000);
};

/** Events per second of the relay from the beginning of the log to its head. */
const catchUp = async (pool: pg.Pool, nc: NatsConnection, events: number): Promise<number> => {
  const jsm = await jetstreamManager(nc);
  const stop = new AbortController();
  const started = performance.now();
  const running = runRelay({ pool, target: chainPublisher(nc, identity), signal: stop.signal });
  while ((await jsm.streams.info(EVENTS_STREAM)).state.last_seq < events) await delay(PROGRESS_POLL_MS);
  const perSecond = events / ((performance.now() - started) / 1000);
  stop.abort();
  await running;
  return perSecond;
};

/** From the call of append to the event in the hands of an ordered subscriber, at a fixed rate of submissions. */
const deliveryLatencies = async (
  pool: pg.Pool,
  store: PostgresEventStore,
  nc: NatsConnection,
): Promise<{ readonly latenciesMs: number[]; readonly answersMs: readonly number[]; readonly inOrder: boolean }> => {
  const stop = new AbortController();
  const after = await store.head();
  const sentAt = new Map<string, number>();
  const latenciesMs: number[] = [];
  const count = SUBMITTED_PER_SECOND * SUBMIT_SECONDS;
  const relay = runRelay({ pool, target: chainPublisher(nc, identity), signal: stop.signal });
  const feed = eventFeed({
    ...{ nc, base: 0n, after, upcasters: {}, signal: stop.signal },
    readAll: (from) => store.readAll(from),
  });
  let inOrder = true;
  const receiving = (async () => {
    let position = after;
    for await (const batch of feed) {
      const now = performance.now();
      for (const event of batch) {
        inOrder &&= event.position === position + 1n;
        position = event.position;
        latenciesMs.push(now - (sentAt.get(event.eventId) ?? NaN));
      }
      if (latenciesMs.length >= count) return;
    }
  })();
  const started = performance.now();
  const answers: Promise<number>[] = [];
  for (let sent = 0; sent < count;) {
    const due = Math.min(count, Math.floor(((performance.now() - started) / 1000) * SUBMITTED_PER_SECOND));
    for (; sent < due; sent += 1) {
      const command = request(`default/registry/run/${uuidv7()}`, 0);
      const now = performance.now();
      sentAt.set(command.writes[0]?.events[0]?.eventId ?? '', now);
      answers.push(store.append(command).then(() => performance.now() - now));
    }
    await delay(1);
  }
  const answersMs = await Promise.all(answers);
  await receiving;
  stop.abort();
  await relay;
  return { latenciesMs, answersMs, inOrder };
};

/** The relay from 1,000,000 events behind beside raw publishing of the same messages; then the way to a subscriber. */
export const relayBench = async (): Promise<BenchReport> => {
  const [server, nats] = await Promise.all([startBenchServer(), startBenchNats()]);
  const admin = createPool({ connectionString: server.adminUrl, max: 2 });
  const pool = createPool({ connectionString: server.urlFor('kontor_registry'), max: 8 });
  const store = createEventStore(pool, { upcasters: {} });
  const nc = await connectNats(nats.url, 'kontor-bench');
  try {
    await generateLog(admin, BEHIND_EVENTS);
    const machine = machineFacts();
    const messages = (await readRawPage(admin, { after: 0n, limit: RAW_MESSAGES })).map((event) => {
      const { headers, data } = toMessage(event, ORIGIN);
      headers.set('Nats-Expected-Last-Sequence', `${event.position - 1n}`);
      // A copy is held: V8 allots in the old generation what toMessage makes, once it has seen that such things live long.
      const held = MsgHdrsImpl.decode(new TextEncoder().encode(headers.toString()));
      return { subject: `kontor.evt.default.registry.run.${event.type}`, message: { headers: held, data } };
    });
    const raw: number[] = [];
    const relayed: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      await newStream(nc);
      raw.push(await publishRaw(nc, messages));
      await newStream(nc);
      relayed.push(await catchUp(pool, nc, BEHIND_EVENTS));
    }
    const { latenciesMs, answersMs, inOrder } = await deliveryLatencies(pool, store, nc);
    const appended = BEHIND_EVENTS + SUBMITTED_PER_SECOND * SUBMIT_SECONDS;
    const jsm = await jetstreamManager(nc);
    const { state } = await jsm.streams.info(EVENTS_STREAM);
    const last = await jsm.streams.getMessage(EVENTS_STREAM, { seq: state.last_seq });
    const [newest] = await readRawPage(admin, { after: BigInt(appended - 1), limit: 1 });
    const rate = `at ${SUBMITTED_PER_SECOND} events/s`;
    return {
      rows: [
        ratioRow(
          `relay from ${BEHIND_EVENTS} behind / raw chained publishing`,
          'events/s',
          { ours: relayed, beside: raw },
          RELAY_BAR,
        ),
        valueRow(`append to ordered subscriber ${rate}, p50`, 'ms', quantile(latenciesMs, 0.5), P50_BAR_MS),
        valueRow(`append to ordered subscriber ${rate}, p99`, 'ms', quantile(latenciesMs, 0.99), P99_BAR_MS),
      ],
      notes: [
        `raw: ${RAW_MESSAGES} messages encoded beforehand, one acknowledgement per ${RAW_CHAIN}; ` +
          `ratios ${relayed.map((perSecond, round) => (perSecond / (raw[round] ?? NaN)).toFixed(2)).join(' ')}; ` +
          `data ${JSON.stringify(DATA).length} bytes, meta ${JSON.stringify(META).length} bytes, median of ${median(messages.map(({ message }) => message.data.length))} bytes of payload`,
        'append, relay and subscriber share one process; ' +
          `the writer itself had its answer after p50 ${quantile(answersMs, 0.5).toFixed(1)} ms, p99 ${quantile(answersMs, 0.99).toFixed(1)} ms`,
        `nats-server ${nats.version}; machine: ${machine}`,
        `PostgreSQL: ${await postgresFacts(admin)}`,
      ],
      checks: [
        ...(await checkLog(admin, appended)),
        {
          what: 'the stream holds the log at sequence = position',
          holds: state.last_seq === appended && state.messages === appended,
        },
        { what: 'and ends with its newest event', holds: last?.header.get('ce-id') === newest?.eventId },
        { what: 'the subscriber got every event once, in order', holds: inOrder && !latenciesMs.some(Number.isNaN) },
      ],
    };
  } finally {
    await nc.close();
    await store.close();
    await pool.end();
    await admin.end();
    await Promise.all([server.stop(), nats.stop()]);
  }
};
