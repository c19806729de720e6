import { z } from 'zod';
import { type ContextName, newCommandId, type SendResult } from '../commands/command-client.js';
import type { GraphContext } from './context.js';
import type { Entity, Seen } from './entity.js';
import { rowKey } from './row-key.js';

/** Fields that every input may have beside the command's own. */
interface WithCommandId {
  readonly clientMutationId?: string | null | undefined;
}

type WithoutNulls<T> = T extends readonly (infer Item)[]
  ? WithoutNulls<Item>[]
  : T extends object
    ? { [Key in keyof T]: WithoutNulls<Exclude<T[Key], null>> }
    : T;

/** GraphQL clients may send `null` for a field that they leave out; a command knows only absence. */
export const withoutNulls = <T>(value: T): WithoutNulls<T> => {
  if (Array.isArray(value)) return value.map((item) => withoutNulls(item)) as WithoutNulls<T>;
  if (typeof value !== 'object' || value === null) return value as WithoutNulls<T>;
  const kept = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(kept.map(([name, member]) => [name, withoutNulls(member)])) as WithoutNulls<T>;
};

type Mutable<T> = T extends readonly (infer Item)[]
  ? Mutable<Item>[]
  : T extends object
    ? { -readonly [Key in keyof T]: Mutable<T[Key]> }
    : T;

/** An input as command data: without the command id, which travels beside it, and without nulls. */
export const withoutCommandId = <Input extends WithCommandId>(
  input: Input,
): Mutable<WithoutNulls<Omit<Input, 'clientMutationId'>>> => {
  const { clientMutationId: _, ...data } = input;
  return withoutNulls(data) as Mutable<WithoutNulls<Omit<Input, 'clientMutationId'>>>;
};

/** How one mutation becomes a command, and which row it answers with. */
export interface Mutation<
  Input extends WithCommandId,
  Data,
  Name extends string,
  Field extends string,
  Row extends object,
> {
  readonly name: Name;
  readonly context: ContextName;
  readonly type: string;
  /** The command's data. The command id gives new things their id, so that a retry is the same command. */
  readonly data: (input: Input, commandId: string, context: GraphContext) => Data | Promise<Data>;
  readonly field: Field;
  readonly entity: Entity<Row>;
  readonly row: (data: Data, context: GraphContext) => readonly (string | number)[];
  /** For a command that also records its refusals: what the row says of this one. Nobody may take a refusal for a success. */
  readonly refused?: (row: Row, commandId: string) => Refusal | undefined;
}

type Refusal = Pick<Extract<ProblemResult, { __typename: 'Rejection' }>, 'rejection' | 'message' | 'details'>;

interface Problem {
  readonly code: 'REJECTED' | 'INVALID' | 'FORBIDDEN' | 'UNAVAILABLE';
  readonly message: string;
  readonly path: readonly string[] | null;
  readonly correlationId: string;
}

export type ProblemResult =
  | (Problem & { readonly __typename: 'Rejection'; readonly rejection: string; readonly details: unknown })
  | (Problem & { readonly __typename: 'ValidationError' | 'ForbiddenError' })
  | (Problem & { readonly __typename: 'ServiceUnavailableError'; readonly retryAfterMs: number });

const commandId = z.uuidv7();

/**
 * The resolver of a mutation: authorise, map, send, wait until the effect can be read, read it at its own position.
 *
 * Answers with a payload or a problem. @throws CONSISTENCY_TIMEOUT if the command was accepted and its rows are late.
 */
export const mutation =
  <Input extends WithCommandId, Data, Name extends string, Field extends string, Row extends object>(
    plan: Mutation<Input, Data, Name, Field, Row>,
  ) =>
  async (
    _parent: unknown,
    { input }: { input: Input },
    context: GraphContext,
  ): Promise<MutationPayload<Name, Field, Row> | ProblemResult> => {
    const { context: owner, type } = plan;
    const command = async (id: string) => ({ context: owner, type, data: await plan.data(input, id, context) });
    const done = await carryOut(input, command, context);
    if ('__typename' in done) return done;
    const { id, data, position, result } = done;
    const key = rowKey(context.workspace, ...plan.row(data, context));
    const row = await context.rows.byKey(plan.entity, key, { position });
    const refusal = row && plan.refused?.(row, id);
    const { correlationId } = context;
    if (refusal) return { __typename: 'Rejection', code: 'REJECTED', path: null, correlationId, ...refusal };
    return {
      __typename: `${plan.name}Payload`,
      position: result.position,
      eventIds: result.eventIds,
      clientMutationId: input.clientMutationId ?? null,
      [plan.field]: row ?? null,
    } as MutationPayload<Name, Field, Row>;
  };

interface CarriedOut<Data> {
  readonly id: string;
  readonly data: Data;
  readonly position: bigint;
  readonly result: Extract<SendResult, { readonly outcome: 'accepted' }>;
}

/**
 * Sends the command of a mutation and waits until its effect can be read.
 *
 * @returns the problem if it was not accepted. @throws CONSISTENCY_TIMEOUT if it was and its rows are late.
 */
export const carryOut = async <Data>(
  input: WithCommandId,
  command: (
    commandId: string,
  ) => Promise<{ readonly context: ContextName; readonly type: string; readonly data: Data }>,
  context: GraphContext,
): Promise<CarriedOut<Data> | ProblemResult> => {
  const { correlationId, principal } = context;
  const id = input.clientMutationId ?? newCommandId();
  if (!commandId.safeParse(id).success) {
    return invalid(
      `clientMutationId: ${JSON.stringify(id).slice(0, 60)} is not a UUIDv7`,
      ['clientMutationId'],
      context,
    );
  }
  let made: Awaited<ReturnType<typeof command>>;
  try {
    made = await command(id);
  } catch (error) {
    if (error instanceof InputProblem) return invalid(error.message, error.path, context);
    throw error;
  }
  const result = await context.commands.send({ ...made, principal, commandId: id, correlationId });
  if (result.outcome !== 'accepted') return toProblem(result, correlationId);
  const position = BigInt(result.position);
  await context.log.wait(position);
  if (position > context.shown) context.shown = position;
  return { id, data: made.data, position, result };
};

export type MutationPayload<Name extends string, Field extends string, Row extends object> = {
  readonly __typename: `${Name}Payload`;
  readonly position: string;
  readonly eventIds: readonly string[];
  readonly clientMutationId: string | null;
} & { readonly [F in Field]: Seen<Row> | null };

/** Something that the input names does not exist: thrown while mapping, answered as a ValidationError. */
export class InputProblem extends Error {
  constructor(
    message: string,
    readonly path: readonly string[],
  ) {
    super(message);
  }
}

const invalid = (message: string, path: readonly string[], { correlationId }: GraphContext): ProblemResult => ({
  __typename: 'ValidationError',
  code: 'INVALID',
  message,
  path,
  correlationId,
});

/** @throws Error for a failure inside the service: that is a bug and becomes `INTERNAL`. */
const toProblem = (result: Exclude<SendResult, { outcome: 'accepted' }>, correlationId: string): ProblemResult => {
  const { message } = result;
  if (result.outcome === 'rejected') {
    const { code: rejection, details } = result;
    return { __typename: 'Rejection', code: 'REJECTED', message, path: null, correlationId, rejection, details };
  }
  switch (result.code) {
    case 'INVALID': {
      const path = typeof result.path === 'string' ? result.path.split('.') : (result.path ?? []).map(String);
      return { __typename: 'ValidationError', code: 'INVALID', message, path, correlationId };
    }
    case 'FORBIDDEN':
      return { __typename: 'ForbiddenError', code: 'FORBIDDEN', message, path: null, correlationId };
    case 'UNAVAILABLE': {
      const retryAfterMs = result.retryAfterMs ?? 1_000;
      return {
        __typename: 'ServiceUnavailableError',
        code: 'UNAVAILABLE',
        message,
        path: null,
        correlationId,
        retryAfterMs,
      };
    }
    case 'INTERNAL':
    case 'UNAUTHENTICATED':
      throw new Error(`a service failed: ${result.code} ${message} (${result.correlationId})`);
  }
};
