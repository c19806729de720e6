/** Something a person asked for or set that cannot be: the message names it, the value, and what is allowed. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Something went wrong that a person can act on: the message is shown without a stack. Exit code 1. */
export class CommandFailed extends Error {
  override readonly name = 'CommandFailed';
}
