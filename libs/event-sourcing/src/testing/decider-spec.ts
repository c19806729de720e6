import { deepStrictEqual, fail, strictEqual } from 'node:assert/strict';
import type { Command, CommandMetadata } from '../command.js';
import { type Decider, fold } from '../decider.js';
import { isRejected } from '../decision.js';
import type { DomainEvent } from '../event.js';

/** Metadata of a command in a spec: a person named `ada` on 1 June 2026, unless said otherwise. */
export const metadata = (overrides: Partial<CommandMetadata> = {}): CommandMetadata => ({
  commandId: '01975b00-0000-7000-8000-000000000001',
  workspace: 'default',
  actor: { id: 'ada', kind: 'person', roles: [] },
  now: '2026-06-01T12:00:00.000Z',
  correlationId: '01975b00-0000-7000-8000-000000000002',
  ...overrides,
});

/**
 * Specs of a decider read as sentences: `given([requested]).when(grant).then([granted])`.
 *
 * `thenRejected` compares the code, and the details where they are given. `thenNothing` means: accepted, no event.
 */
export const deciderSpec = <State, C extends Command, E extends DomainEvent, Code extends string>(
  decider: Decider<State, C, E, Code>,
) => ({
  given: (events: readonly E[]) => ({
    when: (command: C) => {
      const decision = decider.decide(command, fold(decider, events));
      const accepted = (): readonly E[] =>
        isRejected(decision)
          ? fail(
              `${command.type} was rejected: ${decision.rejection.code} ${JSON.stringify(decision.rejection.details)}`,
            )
          : decision;
      return {
        then: (expected: readonly E[]) => deepStrictEqual(accepted(), expected),
        thenNothing: () => deepStrictEqual(accepted(), []),
        thenRejected: (code: Code, details?: Readonly<Record<string, unknown>>) => {
          if (!isRejected(decision)) return fail(`expected ${code}, got ${JSON.stringify(decision)}`);
          strictEqual(decision.rejection.code, code);
          if (details) deepStrictEqual(decision.rejection.details, details);
        },
        /** The decided events, for a spec that says something about them that equality cannot. */
        events: accepted,
      };
    },
  }),
});
