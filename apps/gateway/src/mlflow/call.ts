import type { Position } from '@kontor/event-sourcing';
import type pg from 'pg';
import type { ArtifactStore } from '../artifacts/artifact-store.js';
import type { Principal } from '../auth/principal.js';
import type { CommandClient } from '../commands/command-client.js';
import type { LogReader } from '../log/log-reader.js';
import { invalid, MlflowError } from './errors.js';
import { toMlflowError } from './rejections.js';
import { RowQuery } from './row-query.js';

/** What every call of the MLflow face shares. */
export interface FaceParts {
  readonly pool: pg.Pool;
  readonly schema: string;
  readonly commands: CommandClient;
  readonly log: LogReader;
  readonly artifacts: ArtifactStore;
}

/** MLflow clients send no token, so a write waits until its rows can be read. */
const WRITE_WAIT_MS = 5_000;

/** A command that was refused, before it is said in MLflow's words. */
export class CommandRejected extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly details: Readonly<Record<string, unknown>>,
  ) {
    super(message);
    this.name = 'CommandRejected';
  }
}

/** One request of an MLflow client: who asks, the position it reads, and the commands that it sends. */
export class MlflowCall {
  #rows: Promise<RowQuery> | undefined;
  #position: Position | undefined;

  constructor(
    readonly parts: FaceParts,
    readonly principal: Principal,
    private readonly correlationId: string,
  ) {}

  get workspace(): string {
    return this.principal.workspace;
  }

  /** The rows at the newest position, or at that of the last command of this call. All reads of a call share it. */
  rows(): Promise<RowQuery> {
    this.#rows ??= this.parts.log.applied
      .reached()
      .then((reached) =>
        this.rowsAt(this.#position !== undefined && this.#position > reached ? this.#position : reached),
      );
    return this.#rows;
  }

  rowsAt(position: Position): RowQuery {
    return new RowQuery(this.parts.pool, this.parts.schema, this.workspace, position);
  }

  /**
   * Sends a command of the registry and waits until its effect can be read.
   *
   * @throws CommandRejected if it is refused, MlflowError for what a client can do nothing about.
   */
  async command(type: string, data: object): Promise<void> {
    const { commands, log } = this.parts;
    const { principal, correlationId } = this;
    const result = await commands.send({ context: 'registry', type, data, principal, correlationId });
    switch (result.outcome) {
      case 'accepted':
        this.#position = BigInt(result.position);
        this.#rows = undefined;
        await log.wait(this.#position, WRITE_WAIT_MS);
        return;
      case 'rejected':
        throw new CommandRejected(result.code, result.message, result.details);
      case 'failed':
        break;
    }
    switch (result.code) {
      case 'INVALID':
        throw invalid(result.message);
      case 'FORBIDDEN':
        throw new MlflowError('PERMISSION_DENIED', result.message);
      case 'UNAVAILABLE':
        throw new MlflowError('TEMPORARILY_UNAVAILABLE', result.message, { retryAfterSeconds: 1 });
      default:
        throw new Error(`the registry failed: ${result.code} ${result.message} (${result.correlationId})`);
    }
  }

  /** As {@link command}, with a rejection in MLflow's words. `named` adds what the texts need and the rejection lacks. */
  async send(type: string, data: object, named: Readonly<Record<string, unknown>> = {}): Promise<void> {
    try {
      await this.command(type, data);
    } catch (error) {
      if (!(error instanceof CommandRejected)) throw error;
      throw toMlflowError(error.code, error.message, { ...error.details, ...named });
    }
  }
}
