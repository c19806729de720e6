import {
  type ActiveStep,
  activeStepOf,
  type DeploymentCommand,
  endpoint,
  preparingRolloutOf,
} from '@kontor/domain/deployment';
import { inferenceRecord, labelRecord } from '@kontor/domain/monitoring';
import { isRejected, type StreamId } from '@kontor/event-sourcing';
import { inferenceSubject, isInference, labelSubject, TELEMETRY_STREAM } from '@kontor/messaging';
import { type ConsumerMessages, DeliverPolicy, type JsMsg, jetstream } from '@nats-io/jetstream';
import { pause } from '@kontor/service/process';
import type { NatsConnection } from '@nats-io/nats-core';
import type pg from 'pg';
import { z } from 'zod';
import { type FollowedEndpoint, followEndpoints } from './endpoint-follower.js';
import { parseJson } from './parse-json.js';
import { StepTraffic } from './step-traffic.js';

/** Two looks a second: a failing canary loses its traffic well within two seconds, an idle look costs microseconds. */
const LOOK_MS = 500;

/** A revision that no serving process has loaded by then has none that could. */
const PREPARING_DEADLINE_MS = 300_000;

/** Two 32-bit keys of PostgreSQL's advisory locks: 'KONT', and the first controller. */
const LOCK = [0x4b4f4e54, 1] as const;

/** How often a second controller asks whether the first one is gone. */
const LOCK_POLL_MS = 1000;

const records = z.array(inferenceRecord);
const labels = z.array(labelRecord);

/**
 * What the controller sends, in process: as the service itself, with a fresh command id. Resolves for a rejection too:
 * the rollout has moved, and the next look sees how.
 */
export type SendCommand = <Type extends 'RecordAnalysis' | 'AbortRollout'>(
  workspace: string,
  type: Type,
  data: Extract<DeploymentCommand, { type: Type }>['data'],
) => Promise<void>;

export interface RolloutMeasurementOptions {
  readonly pool: pg.Pool;
  readonly nats: NatsConnection;
  readonly send: SendCommand;
  /** Told about every message that holds no records. It is left out: one bad message must not stop all guards. */
  readonly onMalformed: (subject: string, problem: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Measures the traffic of active rollouts and sends what was measured as soon as something follows from it.
 *
 * One process acts at a time (an advisory lock); what it sends is also refused if the rollout has moved. A restart
 * begins from the log and reads the traffic of each step again, from the moment its weight was set.
 *
 * Ends when the signal aborts.
 *
 * @throws the errors of PostgreSQL, NATS and `send`; run it again.
 */
export const measureRollouts = async (options: RolloutMeasurementOptions): Promise<void> => {
  const { pool, signal } = options;
  const session = await pool.connect();
  const stop = new AbortController();
  // The lock lives as long as its session: whoever loses the session must stop acting at once.
  const lost = (error?: Error): void => stop.abort(error);
  const forward = (): void => stop.abort();
  session.on('error', lost);
  signal.addEventListener('abort', forward);
  if (signal.aborted) stop.abort();
  const controller = new RolloutController(options);
  try {
    if (!(await takeLock(session, stop.signal))) return;
    const following = controller.follow(followEndpoints(pool, stop.signal));
    const looking = controller.look(stop.signal);
    try {
      await Promise.race([following, looking]);
    } finally {
      stop.abort();
      await Promise.allSettled([following, looking]);
    }
  } finally {
    signal.removeEventListener('abort', forward);
    await controller.close();
    // Ending the session gives the lock back even if the connection is broken.
    session.release(true);
  }
};

const takeLock = async (session: pg.PoolClient, signal: AbortSignal): Promise<boolean> => {
  while (!signal.aborted) {
    const { rows } = await session.query<{ taken: boolean }>('SELECT pg_try_advisory_lock($1, $2) AS taken', [...LOCK]);
    if (rows[0]?.taken) return true;
    await pause(LOCK_POLL_MS, signal);
  }
  return false;
};

class RolloutController {
  readonly #endpoints = new Map<StreamId, FollowedEndpoint>();
  readonly #meters = new Map<StreamId, StepMeter>();

  constructor(private readonly options: Pick<RolloutMeasurementOptions, 'nats' | 'send' | 'onMalformed'>) {}

  /** Keeps the endpoints with a rollout, and one meter per step that has traffic. */
  async follow(endpoints: AsyncIterable<FollowedEndpoint>): Promise<void> {
    for await (const followed of endpoints) {
      const { stream, state, workspace, stepBeganMs } = followed;
      const step = activeStepOf(state);
      if (step || preparingRolloutOf(state)) this.#endpoints.set(stream, followed);
      else this.#endpoints.delete(stream);
      const meter = this.#meters.get(stream);
      if (meter && !meter.measures(step)) {
        this.#meters.delete(stream);
        await meter.close();
      }
      if (step && !this.#meters.has(stream)) {
        this.#meters.set(stream, await StepMeter.open(this.options, { workspace, step, beganMs: stepBeganMs }));
      }
    }
  }

  async look(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      for (const followed of [...this.#endpoints.values()]) {
        if (!signal.aborted) await this.#lookAt(followed);
      }
      await pause(LOOK_MS, signal);
    }
  }

  async close(): Promise<void> {
    for (const meter of this.#meters.values()) await meter.close();
    this.#meters.clear();
  }

  async #lookAt({ stream, state, workspace, waitingSinceMs }: FollowedEndpoint): Promise<void> {
    const elapsedMs = Math.max(0, Date.now() - waitingSinceMs);
    const preparing = preparingRolloutOf(state);
    if (preparing && state.status === 'Created' && elapsedMs > PREPARING_DEADLINE_MS) {
      const reason = `No serving process has loaded the revision within ${PREPARING_DEADLINE_MS / 1000} s.`;
      await this.options.send(workspace, 'AbortRollout', { rolloutId: preparing, endpoint: state.endpoint, reason });
      return;
    }
    const meter = this.#meters.get(stream);
    if (!meter) return;
    meter.throwIfBroken();
    const step = activeStepOf(state);
    if (!step || !meter.measures(step) || !meter.caughtUp) return;
    const { rolloutId, endpoint: name } = step;
    const data = { rolloutId, endpoint: name, step: step.step, elapsedMs, ...meter.measurement() };
    // The decider itself says whether anything follows, so the rule stands in one place and most looks send nothing.
    if (followsFrom(data, state, workspace)) await this.options.send(workspace, 'RecordAnalysis', data);
  }
}

const followsFrom = (
  data: Extract<DeploymentCommand, { type: 'RecordAnalysis' }>['data'],
  state: FollowedEndpoint['state'],
  workspace: string,
): boolean => {
  const decision = endpoint.decide(
    {
      type: 'RecordAnalysis',
      data,
      metadata: {
        commandId: '',
        workspace,
        actor: { id: 'service:deployment', kind: 'service', roles: [] },
        now: new Date().toISOString(),
        correlationId: '',
      },
    },
    state,
  );
  return !isRejected(decision) && decision.length > 0;
};

/** Reads the records and labels of one endpoint since a step began. */
class StepMeter {
  readonly #traffic: StepTraffic;
  readonly #reading: Promise<void>;
  #failure: unknown;
  #caughtUp: boolean;

  private constructor(
    private readonly step: ActiveStep,
    private readonly messages: ConsumerMessages,
    pending: number,
    private readonly onMalformed: RolloutMeasurementOptions['onMalformed'],
  ) {
    this.#traffic = new StepTraffic(step);
    this.#caughtUp = pending === 0;
    this.#reading = this.#read().catch((error: unknown) => {
      this.#failure = error;
    });
  }

  static async open(
    { nats, onMalformed }: Pick<RolloutMeasurementOptions, 'nats' | 'onMalformed'>,
    { workspace, step, beganMs }: { workspace: string; step: ActiveStep; beganMs: number },
  ): Promise<StepMeter> {
    const consumer = await jetstream(nats).consumers.get(TELEMETRY_STREAM, {
      filter_subjects: [inferenceSubject(workspace, step.endpoint), labelSubject(workspace, step.endpoint)],
      deliver_policy: DeliverPolicy.StartTime,
      opt_start_time: new Date(beganMs).toISOString(),
    });
    const { num_pending } = await consumer.info();
    return new StepMeter(step, await consumer.consume(), num_pending, onMalformed);
  }

  /** False until what was sent before the meter opened is counted: half of the traffic is no measurement. */
  get caughtUp(): boolean {
    return this.#caughtUp;
  }

  measures(step: ActiveStep | undefined): boolean {
    return step?.rolloutId === this.step.rolloutId && step.step === this.step.step;
  }

  measurement(): Pick<StepTraffic, 'canary' | 'stable'> {
    const { canary, stable } = this.#traffic;
    return structuredClone({ canary, stable });
  }

  /** @throws what ended the reading: a broken consumer or a record that is none. */
  throwIfBroken(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async close(): Promise<void> {
    await this.messages.close();
    await this.#reading;
  }

  #count(message: JsMsg): void {
    if (isInference(message.subject)) {
      const parsed = records.safeParse(parseJson(message.string()));
      if (parsed.success) for (const record of parsed.data) this.#traffic.addRecord(record);
      else this.onMalformed(message.subject, z.prettifyError(parsed.error));
    } else {
      const parsed = labels.safeParse(parseJson(message.string()));
      if (parsed.success) for (const label of parsed.data) this.#traffic.addLabel(label);
      else this.onMalformed(message.subject, z.prettifyError(parsed.error));
    }
  }

  async #read(): Promise<void> {
    for await (const message of this.messages) {
      this.#count(message);
      if (message.info.pending === 0) this.#caughtUp = true;
    }
  }
}
