import type { Actor } from '@kontor/event-sourcing';
import type { CommandReply } from '@kontor/messaging';
import type { CommandBus } from '@nestjs/cqrs';
import { v7 as uuidv7 } from 'uuid';
import { Dispatch, type DispatchRequest } from './dispatch.js';

export interface DispatchOptions {
  readonly type: string;
  readonly data: unknown;
  /** `data` without the facts that were added to it; default: `data`. */
  readonly asked?: unknown;
  readonly workspace: string;
  /** See {@link DispatchRequest}. */
  readonly isWanted?: DispatchRequest['isWanted'];
  /** Default: the service itself. */
  readonly actor?: Actor;
  /** Default: a fresh one. The same id is the same command. */
  readonly commandId?: string;
  readonly correlationId?: string;
  readonly causationId?: string;
  /** Default: the clock. */
  readonly now?: string;
}

/** Commands of the service to itself, in process: from reactions and from workers. */
export class Dispatcher {
  constructor(
    private readonly bus: CommandBus,
    readonly context: string,
  ) {}

  /** The actor of everything that the service does by itself. */
  get self(): Actor {
    return { id: `service:${this.context}`, kind: 'service', roles: [] };
  }

  dispatch({
    type,
    data,
    asked,
    isWanted,
    workspace,
    actor,
    commandId,
    correlationId,
    causationId,
    now,
  }: DispatchOptions): Promise<CommandReply> {
    const metadata = {
      commandId: commandId ?? uuidv7(),
      workspace,
      actor: actor ?? this.self,
      now: now ?? new Date().toISOString(),
      correlationId: correlationId ?? uuidv7(),
      ...(causationId !== undefined && { causationId }),
    };
    return this.bus.execute(new Dispatch({ type, data, asked, isWanted, metadata }));
  }
}
