import type { Context, Upcasters } from '@kontor/event-sourcing';
import {
  createEventStore,
  createPool,
  keyStoreUrl,
  openAnchors,
  PersonalData,
  type PostgresEventStore,
  readEvent,
  refuseRewound,
  runCosigner,
  runRelay,
  runSealer,
  SecretStore,
} from '@kontor/event-store';
import { chainPublisher, connectNats, ensureStreams, eventFeed, type LogIdentity } from '@kontor/messaging';
import { logSigner } from '@kontor/transparency-log';
import type { NatsConnection } from '@nats-io/transport-node';
import {
  type DynamicModule,
  Inject,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { CommandBus, CqrsModule } from '@nestjs/cqrs';
import type pg from 'pg';
import { type AnswerRequest, CommandController } from './command.controller.js';
import { Dispatcher } from './dispatcher.js';
import { type BeforeAppend, DispatchHandler, type FindFacts } from './dispatch.handler.js';
import { ensureKeyEncryptionKey, ensureKeyPair, loadLogKeys, LOG_KEY } from './keys.js';
import { type Log } from './log.js';
import { type Enrich } from './outbox-worker.js';
import { ReactionsConsumer } from './reactions.consumer.js';
import { askWitness } from './witness-client.js';
import type { WitnessAddress } from './witness-variable.js';

/** What every service reads from the environment. */
export interface ServiceConfig {
  readonly pgUrl: string;
  readonly natsUrl: string;
  readonly keysDir: string;
  readonly healthPort: number;
  /** Who co-signs the checkpoints of the log; undefined if nobody does. */
  readonly witness?: WitnessAddress | undefined;
  /** Where checkpoints are kept beside the database; undefined if nowhere. */
  readonly anchorDir?: string | undefined;
}

/** What a service hands to the parts that only it has. */
export interface ServiceParts {
  readonly pool: pg.Pool;
  readonly connection: NatsConnection;
  readonly identity: LogIdentity;
  readonly store: PostgresEventStore;
  readonly personal: PersonalData;
  readonly secrets: SecretStore;
  readonly dispatcher: Dispatcher;
  readonly log: Log;
}

/** A part of one service that runs beside commands and reactions. */
export interface Worker {
  stop(): Promise<void>;
  /** Why it does not work any more, for readiness. */
  readonly problem?: string | undefined;
}

export interface ServiceOptions<Config extends ServiceConfig = ServiceConfig> {
  readonly context: Context;
  /** Of all contexts: the log that passes by holds the events of every one. */
  readonly upcasters: Upcasters;
  readonly config: Config;
  readonly log: Log;
  /** Facts for commands of reactions, by command type. */
  readonly enrich?: (parts: ServiceParts, config: Config) => Readonly<Record<string, Enrich>>;
  /** See {@link BeforeAppend}. */
  readonly beforeAppend?: (parts: ServiceParts) => BeforeAppend;
  /** What the service is asked beside commands, through the same door, by type. */
  readonly requests?: (parts: ServiceParts) => Readonly<Record<string, AnswerRequest>>;
  /** Facts for commands, whoever sends them, by command type. */
  readonly facts?: (parts: ServiceParts) => Readonly<Record<string, FindFacts>>;
  /** Started after commands and reactions. */
  readonly workers?: (parts: ServiceParts, config: Config) => Promise<readonly Worker[]>;
}

/** Keys are kept for seconds, so few commands ask for one. */
const KEY_SESSIONS = 2;

const PARTS = Symbol('ServiceParts');
const START = Symbol('Start');

/** What runs once the module is up. */
interface RunningParts {
  readonly commands: CommandController;
  readonly reactions: ReactionsConsumer;
  readonly workers: readonly Worker[];
  /** What this process does for the whole log, in its turn. */
  readonly duties: readonly Duty[];
}

interface Duty {
  readonly stopping: AbortController;
  readonly ended: Promise<void>;
  problem: string | undefined;
}

/** One bounded context as a server: its commands, its reactions, and its turn at relaying and sealing the log. */
@Module({})
export class ServiceModule implements OnApplicationBootstrap, OnApplicationShutdown {
  #running: RunningParts | undefined;

  static forContext<Config extends ServiceConfig>(options: ServiceOptions<Config>): DynamicModule {
    return {
      module: ServiceModule,
      imports: [CqrsModule.forRoot()],
      providers: [
        { provide: PARTS, inject: [CommandBus], useFactory: (bus: CommandBus) => openParts(options, bus) },
        {
          provide: DispatchHandler,
          inject: [PARTS],
          useFactory: (parts: ServiceParts) =>
            new DispatchHandler(options.context, {
              ...parts,
              beforeAppend: options.beforeAppend?.(parts),
              facts: options.facts?.(parts),
            }),
        },
        {
          provide: START,
          inject: [PARTS, CommandBus],
          useFactory: (parts: ServiceParts, bus: CommandBus) => () => startParts(options, parts, bus),
        },
      ],
    };
  }

  constructor(
    @Inject(PARTS) private readonly parts: ServiceParts,
    @Inject(START) private readonly start: () => Promise<RunningParts>,
  ) {}

  /** Here and not in a provider: only now the CommandBus knows its handler, so that no early command finds none. */
  async onApplicationBootstrap(): Promise<void> {
    this.#running = await this.start();
  }

  /** Why the service is not ready; empty if it is. */
  get problems(): readonly string[] {
    if (!this.#running) return ['the service is starting'];
    const { reactions, workers, duties } = this.#running;
    const found = [reactions, ...duties, ...workers].map(({ problem }) => problem);
    if (this.parts.connection.isClosed()) found.push('nats: the connection is closed');
    return found.filter((problem) => problem !== undefined);
  }

  /** Takes no more commands, finishes what was taken, then lets the servers go. */
  async onApplicationShutdown(): Promise<void> {
    if (this.#running) {
      const { commands, reactions, workers, duties } = this.#running;
      await commands.stop();
      await Promise.all([reactions.stop(), ...workers.map((worker) => worker.stop())]);
      for (const { stopping } of duties) stopping.abort();
      await Promise.all(duties.map(({ ended }) => ended));
    }
    await this.parts.store.close();
    await this.parts.personal.close();
    await this.parts.connection.drain();
    await this.parts.pool.end();
  }
}

const openParts = async (
  options: Pick<ServiceOptions, 'config' | 'context' | 'upcasters' | 'log'>,
  bus: CommandBus,
): Promise<ServiceParts> => {
  const { config, context, upcasters, log } = options;
  const application_name = `kontor-${context.name}`;
  const pool = createPool({ connectionString: config.pgUrl, application_name });
  const keys = createPool({ connectionString: keyStoreUrl(config.pgUrl), application_name, max: KEY_SESSIONS });
  const kek = await ensureKeyEncryptionKey(config.keysDir);
  const [personal, secrets] = [new PersonalData({ pool: keys, kek }), new SecretStore(keys, kek)];
  const connection = await connectNats(config.natsUrl, `kontor-${context.name}`);
  const identity = await readIdentity(pool);
  if (config.anchorDir !== undefined) await refuseRewound(pool, openAnchors(config.anchorDir, identity.origin));
  await ensureStreams(connection, identity);
  const store = createEventStore(pool, { upcasters });
  return { pool, connection, identity, store, personal, secrets, dispatcher: new Dispatcher(bus, context.name), log };
};

const startParts = async <Config extends ServiceConfig>(
  options: ServiceOptions<Config>,
  parts: ServiceParts,
  bus: CommandBus,
): Promise<RunningParts> => {
  const { context, config, log } = options;
  const { pool, connection, identity, store, dispatcher } = parts;
  const reactions = new ReactionsConsumer({
    pool,
    schema: context.name,
    context,
    dispatcher,
    log,
    enrich: options.enrich?.(parts, config) ?? {},
    feed: (after, signal) =>
      eventFeed({
        nc: connection,
        base: identity.base,
        after,
        readAll: (from) => store.readAll(from),
        upcasters: options.upcasters,
        types: context.reactions.canHandle,
        signal,
      }),
    head: () => store.head(),
    recorded: (position) => readEvent(pool, position, options.upcasters),
  });
  await reactions.start();
  const workers = (await options.workers?.(parts, config)) ?? [];
  const target = chainPublisher(connection, identity);
  await ensureKeyPair(config.keysDir, LOG_KEY);
  const [key, ...next] = await loadLogKeys(config.keysDir);
  const sign = (one: typeof key) => logSigner(identity.origin, one);
  const signers = [sign(key), ...next.map(sign)] as const;
  const anchors = config.anchorDir === undefined ? undefined : openAnchors(config.anchorDir, identity.origin);
  const duties = [
    startDuty('relay', log, (signal, onRetry) => runRelay({ pool, target, signal, onRetry })),
    startDuty('sealer', log, (signal, onRetry) => runSealer({ pool, signers, anchors, signal, onRetry })),
  ];
  const { witness } = config;
  if (witness) {
    const cosigner = { pool, anchors, witness: witness.verifier, ask: askWitness(witness) };
    duties.push(startDuty('cosigner', log, (signal, onRetry) => runCosigner({ ...cosigner, signal, onRetry })));
  }
  // Last, so that no command is taken before everything that follows from it runs.
  const requests = options.requests?.(parts) ?? {};
  const commands = new CommandController({ connection, context, bus, keysDir: config.keysDir, log, requests });
  // Ready means that a command sent now finds the subscription.
  await connection.flush();
  return { commands, reactions, workers, duties };
};

const readIdentity = async (pool: pg.Pool): Promise<LogIdentity> => {
  const { rows } = await pool.query<{ origin: string }>('SELECT origin FROM es.log_head');
  const origin = rows[0]?.origin;
  if (origin === undefined) throw new Error('the database holds no log: it was not prepared');
  return { origin, base: 0n };
};

const startDuty = (
  name: string,
  log: Log,
  run: (signal: AbortSignal, onRetry: (error: unknown, delayMs: number) => void) => Promise<void>,
): Duty => {
  const stopping = new AbortController();
  const duty: { problem: string | undefined } = { problem: undefined };
  const onRetry = (error: unknown, delayMs: number): void => log.error(`the ${name} tries again`, error, { delayMs });
  const ended = run(stopping.signal, onRetry).catch((error: unknown) => {
    duty.problem = `${name}: ${error instanceof Error ? error.message : String(error)}`;
    log.error(`the ${name} stopped`, error);
  });
  return Object.assign(duty, { stopping, ended });
};
