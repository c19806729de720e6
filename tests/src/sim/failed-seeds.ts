/**
 * Every seed that ever failed. They run first, and they stay, although a changed workload changes what they do.
 *
 * 1: a command that came twice at once was refused because of its own events. 52: a reaction's command was not known again
 * after its facts had changed. 111, 354: a rollout waits for a decision that nobody takes again (`rules.ts` says when).
 */
export const FAILED_SEEDS: readonly number[] = [1, 52, 111, 354];
