import type { Actor } from '@kontor/event-sourcing';
import { deciderSpec } from '@kontor/event-sourcing/testing';
import { describe, it } from 'vitest';
import type { GovernanceEvent } from './events.js';
import { ADMIN, command, LOCAL, OFFICER, OTHER_SERVICE, person as somebody } from './fixture.js';
import { person } from './person.js';

const subjectId = 'person-7f3a';
const ground = 'CONSENT_WITHDRAWN';
const DPO = somebody('dora', 'data-protection-officer');
const erase = (
  keyVersion: number,
  actor: Actor = DPO,
  { keyLeft = keyVersion > 0, legalHolds = [] as string[] } = {},
) => command('EraseSubject', { subjectId, ground, keyVersion, keyLeft, legalHolds }, actor);
const erased = (keyVersion: number, by = 'dora'): GovernanceEvent => ({
  type: 'SubjectErased',
  data: { subjectId, ground, keyVersion, by },
});

const { given } = deciderSpec(person);

describe('the erasure of a person', () => {
  it('is for whoever protects data, the administrator and the local user', () => {
    given([])
      .when(erase(1))
      .then([erased(1)]);
    given([])
      .when(erase(1, ADMIN))
      .then([erased(1, 'root')]);
    given([])
      .when(erase(1, LOCAL))
      .then([erased(1, 'local:x')]);
    for (const actor of [somebody('ada'), OFFICER, OTHER_SERVICE]) {
      given([])
        .when(erase(1, actor))
        .thenRejected('ERASURE_ROLE_REQUIRED', { actor: actor.id, anyOf: ['data-protection-officer', 'admin'] });
    }
  });

  it('is refused for a person of whom nothing was stored', () => {
    given([]).when(erase(0)).thenRejected('SUBJECT_UNKNOWN', { subjectId });
  });

  it('changes nothing a second time, and reaches the key that a person got since', () => {
    given([erased(1)])
      .when(erase(1, DPO, { keyLeft: false }))
      .then([]);
    given([erased(1)])
      .when(erase(2))
      .then([erased(2)]);
  });

  it('is said after a crash that left no key and no event, and again if a backup brought the key back', () => {
    given([])
      .when(erase(1, DPO, { keyLeft: false }))
      .then([erased(1)]);
    given([erased(1)])
      .when(erase(1))
      .then([erased(1)]);
  });

  it('waits while a legal hold is placed', () => {
    given([])
      .when(erase(1, DPO, { legalHolds: ['12'] }))
      .thenRejected('LEGAL_HOLD', { legalHolds: ['12'] });
  });
});
