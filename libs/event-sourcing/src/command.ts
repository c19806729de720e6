import type { z } from 'zod';

/** Who acts. `local` is the user of an installation without sign-in: may do everything but count as a second person. */
export interface Actor {
  readonly id: string;
  readonly kind: 'person' | 'service' | 'local';
  readonly roles: readonly string[];
}

/** The role of whoever administers the installation. */
export const ADMIN = 'admin';

/** Whether the actor may administer; the local user of an installation without sign-in may. */
export const mayAdminister = ({ kind, roles }: Actor): boolean => kind === 'local' || roles.includes(ADMIN);

/** What the edge stamps once, so that deciders need neither a clock nor chance. */
export interface CommandMetadata {
  /** UUIDv7, made by the client or derived from the causing event. The same id is the same command. */
  readonly commandId: string;
  readonly workspace: string;
  readonly actor: Actor;
  /** RFC 3339 in UTC with milliseconds. */
  readonly now: string;
  /** When it happened in the world, RFC 3339, of what was recorded elsewhere before. Only an administrator says it. */
  readonly occurredAt?: string | undefined;
  readonly correlationId: string;
  readonly causationId?: string | undefined;
  readonly traceparent?: string | undefined;
}

export interface Command<Type extends string = string, Data = unknown> {
  readonly type: Type;
  readonly data: Data;
  readonly metadata: CommandMetadata;
}

/** One Zod schema per command type. */
export type CommandSchemas = Readonly<Record<string, z.ZodType>>;

/** The union of the commands of a set of schemas, or of the named ones, discriminated by `type`. */
export type CommandOf<Schemas extends CommandSchemas, Types extends keyof Schemas = keyof Schemas> = {
  [Type in Types & string]: Command<Type, z.output<Schemas[Type]>>;
}[Types & string];
