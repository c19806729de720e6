/**
 * Every seed that ever failed. They run first, and they stay, although a changed workload changes what they do.
 *
 * 1: a command that came twice at once was refused because of its own events. 52: a reaction's command was not known again
 * after its facts had changed. 111: a rollout waited behind the decision of an aborted one. 354: nobody asks again for a
 * decision that is an hour old; `rules.ts` leaves such rollouts out.
 */
export const FAILED_SEEDS: readonly number[] = [1, 52, 111, 354];
