/**
 * Every seed that ever failed. They run first, and they stay, although a changed workload changes what they do.
 *
 * 1: a command that came twice at once was refused because of its own events. 52: a reaction's command was not known again
 * after its facts had changed. 111: a rollout waited behind the decision of an aborted one. 354: nobody asked again for a
 * decision that was an hour old. 796: a command that another one's name had kept out was answered so after it had happened.
 * 312, 806: a stalled worker of the outbox carried out what the other host had seen refused; 312 still meets it where workers
 * are not fenced. 907: the workload took the command that an id belongs to for one that used it wrongly.
 * 129: a rollout waited behind the decision of one that was refused because that decision had come an hour too late.
 */
export const FAILED_SEEDS: readonly number[] = [1, 52, 111, 129, 312, 354, 796, 806, 907];
