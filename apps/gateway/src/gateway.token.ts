/** What controllers inject to reach the gateway's log, rows and commands. */
export const GATEWAY = Symbol('gateway');
