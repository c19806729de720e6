import type { ArtifactStore } from '@kontor/artifact-store';
import type { registryCommands } from '@kontor/domain/registry';
import { latest, type Position, type RecordedEvent } from '@kontor/event-sourcing';
import type { PersonalData, SecretStore } from '@kontor/event-store';
import type { CommandReply } from '@kontor/messaging';
import type pg from 'pg';
import type { OutgoingRules, Principal } from '@kontor/service/process';
import type { CommandClient, SendOptions, SendResult } from '../commands/command-client.js';
import { KEY_USED } from '../commands/idempotency-key.js';
import type { Entity } from '../graphql/entity.js';
import type { LogReader } from '../log/log-reader.js';
import type { WebhookDeliveries } from '../registry/webhook-deliveries.js';
import { invalid, MlflowError } from './errors.js';
import type { Lookups } from './lookups.js';
import { CommandRejected, failureOf, inMlflowsWords } from './outcomes.js';
import { type PageToken, readPageToken } from './page-token.js';
import { toMlflowError } from './rejections.js';
import type { Attempt } from './retries.js';
import type { RowLoader } from './row-loader.js';
import { RowQuery } from './row-query.js';
import { someAtATime } from './some-at-a-time.js';

type Sent = Pick<SendOptions, 'type' | 'data' | 'wantsEvents' | 'commandId' | 'asked'>;
type Accepted = Extract<CommandReply, { readonly outcome: 'accepted' }>;

/** What every call of the MLflow face shares. */
export interface FaceParts {
  readonly pool: pg.Pool;
  readonly lookups: Lookups;
  readonly schema: string;
  readonly personal: PersonalData;
  readonly secrets: SecretStore;
  readonly deliveries: WebhookDeliveries;
  /** Which webhooks may be made. */
  readonly webhooks: OutgoingRules;
  readonly loader: RowLoader;
  readonly commands: CommandClient;
  readonly log: LogReader;
  readonly artifacts: ArtifactStore;
}

/** What answers from a row that it wrote waits so long: a projection whose process was killed goes on when its lease of 10 s ends. */
const ROW_WAIT_MS = 15_000;

/** Commands of one request on their way at once: the log writes them together, and leaves room for other requests. */
const SENT_AT_ONCE = 16;

/**
 * Commands that take nothing away: what is in rows that lack their effect is there in rows that have it. These are the many writes
 * of a training, and its next one need not wait for the rows of the one before.
 */
const ADDITIONS: ReadonlySet<string> = new Set<keyof typeof registryCommands>([
  'StartRun',
  'LogRunData',
  'LogRunModel',
  'LogRunInputs',
  'LogRunOutputs',
  'RegisterModelVersion',
]);

/** What the headers of a request say, whatever the endpoint. */
export interface Asked {
  /** The one that it names: all of its reads are of it. */
  readonly asOf?: Position | undefined;
  /** What its reads must have reached, by the token of an earlier answer. */
  readonly notBefore?: Position | undefined;
  /** Why it is done, for those events that keep it. */
  readonly reason?: string | undefined;
}

/** How many metrics, tags, records and the like a command brings. */
const itemsIn = (data: unknown): number =>
  Object.values(data as object).reduce<number>((sum, value) => sum + (Array.isArray(value) ? value.length : 0), 0);

/** One request of an MLflow client: who asks, the position it reads, and the commands that it sends. */
export class MlflowCall {
  #rows: Promise<RowQuery> | undefined;
  #position: Position | undefined;

  constructor(
    readonly parts: FaceParts,
    readonly principal: Principal,
    private readonly correlationId: string,
    private readonly asked: Asked = {},
    /** Shared with the same request in another workspace. */
    private readonly said: { position?: Position } = {},
    /** Of a request that writes. */
    private readonly attempt?: Attempt,
  ) {}

  /** Of its first command: what it makes gets its id from it. @throws Error of a request that reads: a bug */
  get commandId(): string {
    return this.#writing.commandId;
  }

  /** See {@link Attempt.nextCommandId}; {@link command} and its like draw one by themselves. */
  nextCommandId(): string {
    return this.#writing.nextCommandId();
  }

  get #writing(): Attempt {
    if (this.attempt === undefined) throw new Error('a request that reads sends no command of its own');
    return this.attempt;
  }

  /** Whether it asks about a moment of its choice: then it writes nothing, not even what a first read makes. */
  get isPast(): boolean {
    return this.asked.asOf !== undefined;
  }

  /** Why it is done; undefined if the client does not say it. */
  get reason(): string | undefined {
    return this.asked.reason;
  }

  /** The position that the answer shows: the one that is asked about, or that of the last read or write; undefined before it. */
  get shown(): Position | undefined {
    return this.asked.asOf ?? this.said.position;
  }

  get workspace(): string {
    return this.principal.workspace;
  }

  /** The same request in another workspace. Whether it may be there is asked before. */
  inWorkspace(workspace: string): MlflowCall {
    return new MlflowCall(
      this.parts,
      { ...this.principal, workspace },
      this.correlationId,
      this.asked,
      this.said,
      this.attempt,
    );
  }

  /**
   * The rows at the moment that is asked about; else at the newest position, and not before what this gateway has answered.
   * All reads of a call share it. A write that has happened before reads what it read then, and so comes to its answer again.
   */
  rows(): Promise<RowQuery> {
    this.#rows ??= this.#moment().then(async (position) => this.rowsAt(await this.#beforeItself(position)));
    return this.#rows;
  }

  /**
   * What a write needs to find before it is sent. Looked for in rows that may lack what was added last, and if they do not have
   * it, in those that lack nothing.
   *
   * @param find throws MlflowError or gives undefined if it is not there, or is not as it must be.
   */
  async found<Found>(find: (rows: RowQuery) => Promise<Found>): Promise<Found> {
    const { asOf, notBefore } = this.asked;
    const isFirst = this.#rows === undefined && this.#position === undefined && !this.attempt?.isRepeat;
    if (isFirst && asOf === undefined && notBefore === undefined) {
      const position = await this.parts.log.applied.untilKept(true);
      try {
        const found = await find(new RowQuery(this.parts, this.workspace, position));
        if (found !== undefined) return found;
      } catch (error) {
        if (!(error instanceof MlflowError)) throw error;
      }
    }
    return find(await this.rows());
  }

  /** The log is asked after the position is known: what it does not know yet, no row of that position shows. */
  async #beforeItself(position: Position): Promise<Position> {
    const { attempt } = this;
    if (!attempt?.isRepeat || attempt.hasBegun) return position;
    const done = await this.parts.log.findCommand(attempt.commandId);
    if (done === undefined) return position;
    attempt.isDone = true;
    return done.firstPosition <= position ? done.firstPosition - 1n : position;
  }

  /**
   * The answer of the endpoint.
   *
   * @throws MlflowError 409 for another request with the id of one that was carried out: that one came to its command, this
   *   one does not.
   */
  async answer<Answer>(handled: Promise<Answer>): Promise<Answer> {
    const refuseAnother = (): void => {
      if (this.attempt?.isDone && !this.attempt.hasBegun) throw toMlflowError(KEY_USED, '', {});
    };
    const answer = await handled.catch((error: unknown) => {
      if (error instanceof MlflowError && error.status < 500) refuseAnother();
      throw error;
    });
    refuseAnother();
    return answer;
  }

  async #moment(): Promise<Position> {
    const { applied } = this.parts.log;
    const { asOf, notBefore = 0n } = this.asked;
    if (asOf !== undefined) return asOf;
    if (this.#position === undefined) {
      await applied.untilKept();
      const reached = await applied.reached();
      return reached < notBefore ? await applied.waitUntilProcessed(notBefore, ROW_WAIT_MS) : reached;
    }
    const reached = await applied.waitUntilProcessed(latest(this.#position, notBefore), ROW_WAIT_MS);
    // What a write of long ago has made may be gone by now; its answer shows it as it was.
    return this.attempt?.isDone ? this.#position : reached;
  }

  rowsAt(position: Position): RowQuery {
    this.said.position = position;
    return new RowQuery(this.parts, this.workspace, position);
  }

  /**
   * As {@link readPageToken}: all pages of a listing read the position of the first one.
   *
   * @throws MlflowError also for the page of another moment than the one that is asked about.
   */
  readPageToken(listing: unknown, text: string | undefined): PageToken | undefined {
    const token = readPageToken(listing, text);
    const { asOf } = this.asked;
    if (token === undefined || asOf === undefined || token.position === asOf) return token;
    throw invalid(`Invalid page token, it belongs to position ${token.position}, but the request asks about ${asOf}`);
  }

  /**
   * Sends a command of the registry. The reads that follow see its effect.
   *
   * @returns the position of its last event; of the log if it changed nothing.
   * @throws CommandRejected if it is refused, MlflowError for what a client can do nothing about.
   */
  async command(type: string, data: object): Promise<Position> {
    return BigInt((await this.#accepted({ type, data, ...this.#identity() })).position);
  }

  /**
   * As {@link command}, of what comes before the request's own and of which a second one changes nothing: its id is a new one.
   */
  async prepare(type: string, data: object): Promise<Position> {
    return BigInt((await this.#accepted({ type, data })).position);
  }

  /** By what the log knows a command of this request when it comes again. */
  #identity(commandId = this.nextCommandId()): Pick<SendOptions, 'commandId' | 'asked'> {
    return { commandId, asked: this.#writing.digest };
  }

  /**
   * Sends a command that begins a row.
   *
   * @param commandId of {@link nextCommandId}, where it is tried again under the same one.
   * @returns the row as the projection makes it of the one event of the command that it handles: what a read at its position gives.
   * @throws CommandRejected if it is refused, MlflowError for what a client can do nothing about.
   */
  async begin<Row extends object>(
    { projection }: Entity<Row>,
    type: string,
    data: object,
    commandId?: string,
  ): Promise<Row> {
    const sent = { type, data, wantsEvents: true, ...this.#identity(commandId) };
    const { position, events: all = [] } = await this.#accepted(sent);
    const events = all.filter((one) => (projection.canHandle as readonly string[]).includes(one.type));
    const [event, ...more] = events;
    if (event === undefined || more.length > 0) throw new Error(`${type} gave ${events.length} events instead of one`);
    const { workspace, principal } = this;
    const recorded = {
      ...{ ...event, meta: {}, position: BigInt(position) },
      ...{ workspace, actor: principal.actor.id },
    } as RecordedEvent;
    const [key = ''] = projection.keys(recorded);
    const row = projection.evolve(undefined, recorded, key, () => undefined) as Row | undefined;
    if (row === undefined) throw new Error(`${type} began no row of ${projection.name}`);
    return row;
  }

  /**
   * Sends commands to streams of their own, some at a time. The reads that follow see the effects of all.
   *
   * @throws MlflowError for the first that is refused, after all were answered: each is whole, but they are not one.
   */
  async sendAll(commands: readonly { readonly type: string; readonly data: object }[]): Promise<void> {
    let last: Position | undefined;
    const failures: unknown[] = [];
    await someAtATime(SENT_AT_ONCE, commands, async (command) => {
      try {
        const position = BigInt((await inMlflowsWords(this.#sent({ ...command, ...this.#identity() }))).position);
        last = latest(last ?? 0n, position);
      } catch (error) {
        failures.push(error);
      }
    });
    if (last !== undefined) await this.settle(last);
    if (failures.length > 0) throw failures[0];
  }

  /**
   * Asks the registry for something that appends nothing.
   *
   * @returns the id of the request.
   * @throws as {@link command}.
   */
  async ask(type: string, data: object): Promise<string> {
    const commandId = this.nextCommandId();
    await this.#sent({ type, data, commandId });
    return commandId;
  }

  async #accepted(sent: Sent): Promise<Accepted> {
    const result = await this.#sent(sent);
    // Its position is an old one then, and the answer shows what others have written since.
    if (result.eventIds.length === 0) await this.parts.log.applied.untilKept();
    await this.settle(BigInt(result.position), { isAddition: ADDITIONS.has(sent.type), items: itemsIn(sent.data) });
    return result;
  }

  async #sent(sent: Sent): Promise<Accepted> {
    const { commands } = this.parts;
    const { principal, correlationId } = this;
    const result = await commands.send({ context: 'registry', ...sent, principal, correlationId, isPatient: true });
    switch (result.outcome) {
      case 'accepted':
        return result;
      case 'rejected':
        throw new CommandRejected(result.code, result.message, result.details);
      case 'failed':
        throw failureOf(result);
    }
  }

  /** Sends a command of which the reads that follow need not see the effect, unless {@link settle} says so, once for many. */
  submit(
    type: string,
    data: object,
    options: Pick<SendOptions, 'commandId' | 'correlationId' | 'occurredAt'>,
  ): Promise<SendResult> {
    const { principal } = this;
    return this.parts.commands.send({ context: 'registry', type, data, principal, isPatient: true, ...options });
  }

  /**
   * Sees to it that all reads that follow see everything up to a position that was written: those of this call, and those of
   * every other. MLflow clients send no token, so the gateway remembers for them.
   *
   * @param isAddition see {@link found}
   * @param items how many things its rows are made of.
   */
  async settle(
    position: Position,
    { isAddition = false, items = 0 }: { readonly isAddition?: boolean; readonly items?: number } = {},
  ): Promise<void> {
    this.#position = position;
    this.said.position = position;
    this.#rows = undefined;
    const { applied } = this.parts.log;
    applied.promise(position, { isAddition, items });
    await applied.untilNear();
  }

  /** As {@link command}, with a rejection in MLflow's words. `named` adds what the texts need and the rejection lacks. */
  send(type: string, data: object, named: Readonly<Record<string, unknown>> = {}): Promise<Position> {
    return inMlflowsWords(this.command(type, data), named);
  }
}
