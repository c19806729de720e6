import { type CommandOf, type Decider, reject } from '@kontor/event-sourcing';
import { ERASING_ROLES, mayErase } from './authority.js';
import type { governanceCommands } from './commands.js';
import type { GovernanceEvent } from './events.js';
import type { GovernanceRejection } from './rejections.js';

export interface PersonState {
  /** Of the newest key that was destroyed; 0 before the first erasure. Who acts again gets a new key, and may be erased again. */
  readonly erasedKeyVersion: number;
}

export type PersonCommand = CommandOf<typeof governanceCommands, 'EraseSubject'>;

/** The rules of erasing one person. The keys are destroyed between decision and append, so the event never says too much. */
export const person: Decider<PersonState, PersonCommand, GovernanceEvent, GovernanceRejection> = {
  initialState: { erasedKeyVersion: 0 },
  decide: ({ data, metadata: { actor } }, { erasedKeyVersion }) => {
    const { subjectId, ground, keyVersion, keyLeft, legalHolds } = data;
    if (!mayErase(actor)) return reject('ERASURE_ROLE_REQUIRED', { actor: actor.id, anyOf: [...ERASING_ROLES] });
    if (keyVersion === 0) return reject('SUBJECT_UNKNOWN', { subjectId });
    if (legalHolds.length > 0) return reject('LEGAL_HOLD', { legalHolds });
    // A key that is left although it was erased came back with a backup.
    if (keyVersion <= erasedKeyVersion && !keyLeft) return [];
    return [{ type: 'SubjectErased', data: { subjectId, ground, keyVersion, by: actor.id } }];
  },
  evolve: (state, event) => (event.type === 'SubjectErased' ? { erasedKeyVersion: event.data.keyVersion } : state),
};
