import { deciderSpec } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import { governance } from './context.js';
import type { GovernanceEvent } from './events.js';
import { ADMIN, command, id, LOCAL, OTHER_SERVICE, OWN_SERVICE, SUBJECT } from './fixture.js';
import { recheck } from './recheck.js';

const moved = 'default/governance/use-case/credit';
const look = (subjects: (typeof SUBJECT)[] | null, actor = OWN_SERVICE) =>
  command('RecheckGates', { causeId: id(9), moved, subjects }, actor);
const found: GovernanceEvent = { type: 'GatesRechecked', data: { moved, subjects: [SUBJECT] } };
const { given } = deciderSpec(recheck);

describe('a recheck', () => {
  it('names what has a passed decision that rests on what moved, once per change', () => {
    given([])
      .when(look([SUBJECT]))
      .then([found]);
    given([found])
      .when(look([SUBJECT]))
      .thenNothing();
    expect(governance.events['GatesRechecked']?.parse(found.data)).toEqual(found.data);
  });

  it('says nothing where nothing rests on it', () => {
    given([]).when(look([])).thenNothing();
  });

  it('comes from the platform only', () => {
    for (const actor of [ADMIN, LOCAL, OTHER_SERVICE]) {
      given([])
        .when(look([SUBJECT], actor))
        .thenRejected('SERVICE_ONLY', { actor: actor.id });
    }
  });

  it('is not decided before what rests on it was read', () => {
    expect(() => given([]).when(look(null))).toThrow('before its subjects were read');
  });
});
