import type { CommandMetadata } from '@kontor/event-sourcing';
import type { CommandReply } from '@kontor/messaging';
import { Command } from '@nestjs/cqrs';

/** A command of the service's context, with its metadata verified. */
export interface DispatchRequest {
  readonly type: string;
  /** As it came: the handler checks it against the command's schema. */
  readonly data: unknown;
  /** What the command id stands for, where facts were added to it since: these may be others when it comes again. */
  readonly asked?: unknown;
  /** Whether it is still to be done; asked once the state is known and before anything is written. Default: yes. */
  readonly isWanted?: (() => Promise<boolean>) | undefined;
  /** Whether the reply repeats the events. */
  readonly wantsEvents?: boolean | undefined;
  readonly metadata: CommandMetadata;
}

/** The one message on the CommandBus: a class per command would say nothing that the schema does not. */
export class Dispatch extends Command<CommandReply> {
  constructor(readonly request: DispatchRequest) {
    super();
  }
}
