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
  /** Whether the reply repeats the events. */
  readonly wantsEvents?: boolean | undefined;
  /** Whether it is only said what would be appended: nothing is. */
  readonly dryRun?: boolean | undefined;
  /**
   * Asked after each decision to write something and before the append that names the judged version; if not, the command
   * is rejected as `NO_LONGER_WANTED`. Default: it is wanted.
   */
  readonly isWanted?: (() => Promise<boolean>) | undefined;
  readonly metadata: CommandMetadata;
}

/** The one message on the CommandBus: a class per command would say nothing that the schema does not. */
export class Dispatch extends Command<CommandReply> {
  constructor(readonly request: DispatchRequest) {
    super();
  }
}
