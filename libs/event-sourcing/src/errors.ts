/** What every infrastructure error of an event store says: whether the same call may succeed later. */
export abstract class EventStoreError extends Error {
  abstract readonly retryable: boolean;
  override get name(): string {
    return this.constructor.name;
  }
}

/** One event or one command is larger than the log takes. Nothing was written. */
export class TooLarge extends EventStoreError {
  readonly retryable = false;
  constructor(
    readonly what: 'event' | 'command',
    readonly sizeBytes: number,
    readonly maxBytes: number,
  ) {
    super(
      `${what === 'event' ? 'the data of one event' : 'one command'} has ${sizeBytes} bytes; allowed are ${maxBytes}`,
    );
  }
}

/** The time in a command id lies outside the months that the log remembers, so a retry could run twice. */
export class CommandIdOutsideWindow extends EventStoreError {
  readonly retryable = false;
  constructor(
    readonly commandId: string,
    readonly oldest: Date,
    readonly newest: Date,
  ) {
    super(
      `command id ${commandId} must be a UUIDv7 made between ${oldest.toISOString()} and ${newest.toISOString()}; ` +
        'make a new id for a new command',
    );
  }
}
