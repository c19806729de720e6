/** What a subscriber cannot mend by waiting. Everything else is tried again until it passes. */
export abstract class SubscriberError extends Error {
  override get name(): string {
    return this.constructor.name;
  }
}

/** The server refuses the user or does not let it read this consumer. An operator's grant helps, waiting does not. */
export class SubscriberRefused extends SubscriberError {}

/** There is no such consumer: it was never made, was removed, or went with a stream that was made anew. */
export class ConsumerGone extends SubscriberError {
  constructor(consumer: string, after: bigint | undefined) {
    const from = after === undefined ? '' : ` --from ${after + 1n}`;
    super(
      `NATS has no consumer ${consumer}: it was removed, or its stream was made anew; ask the operator for "kontor subscriber add" with this name${from}`,
    );
  }
}

/** Events that were not read yet have left JetStream, which keeps the newest only. The log still has them. */
export class HistoryGone extends SubscriberError {
  /**
   * @param wanted the position that should have come next
   * @param first the oldest position that JetStream can still give
   */
  constructor(
    readonly wanted: bigint,
    readonly first: bigint,
  ) {
    super(
      `JetStream does not hold the positions ${wanted} to ${first - 1n} any more; read them from the log (GraphQL \`events\`, or "kontor events --after ${wanted - 1n}"), then subscribe after ${first - 1n}`,
    );
  }
}

/** The stream caches another log than before, or one that ends before what this subscriber has handled: a restored backup. */
export class LogChanged extends SubscriberError {}

/** A message that is no event of Kontor in CloudEvents 1.0 binary mode. Reading it again gives the same. */
export class BadMessage extends SubscriberError {}
