/** What every infrastructure error of this package says: whether the same call may succeed later. */
export abstract class MessagingError extends Error {
  abstract readonly retryable: boolean;
  override get name(): string {
    return this.constructor.name;
  }
}

/** A message was lost, doubled or reordered, so JetStream refused what followed. It holds a prefix; read its tail again. */
export class ChainBroken extends MessagingError {
  readonly retryable = true;
}

/** A stream exists with another origin or base than this program expects. */
export class StreamRefused extends MessagingError {
  readonly retryable = false;
}

/** The user of this connection may not read the event stream. Waiting does not help; an operator's grant does. */
export class FeedRefused extends MessagingError {
  readonly retryable = false;
}

/** A message that is not in our form. Its sender is wrong; reading it again gives the same. */
export class BadMessage extends MessagingError {
  readonly retryable = false;
}

/** A subscriber cannot be made as asked; the message says what can. */
export class SubscriberInvalid extends MessagingError {
  readonly retryable = false;
}
