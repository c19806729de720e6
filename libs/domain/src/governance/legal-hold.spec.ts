import { deciderSpec } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import { governance } from './context.js';
import type { GovernanceEvent } from './events.js';
import { command, id, LOCAL, OFFICER, OTHER_SERVICE } from './fixture.js';
import { legalHold } from './legal-hold.js';

const holdId = id(1);
const place = { holdId, reason: 'court order 12' };
const release = { holdId, reason: 'settled' };
const placed: GovernanceEvent = { type: 'LegalHoldPlaced', data: { ...place, by: OFFICER.id } };
const released: GovernanceEvent = { type: 'LegalHoldReleased', data: { ...release, by: OFFICER.id } };
const { given } = deciderSpec(legalHold);

describe('a legal hold', () => {
  it('is placed and released by whoever governs', () => {
    given([])
      .when(command('PlaceLegalHold', place, OFFICER))
      .then([placed]);
    given([placed])
      .when(command('ReleaseLegalHold', release, OFFICER))
      .then([released]);
    given([])
      .when(command('PlaceLegalHold', place, LOCAL))
      .then([{ type: 'LegalHoldPlaced', data: { ...place, by: LOCAL.id } }]);
  });

  it('is nothing that anybody else places or releases', () => {
    given([]).when(command('PlaceLegalHold', place)).thenRejected('ROLE_REQUIRED');
    given([placed])
      .when(command('ReleaseLegalHold', release, OTHER_SERVICE))
      .thenRejected('ROLE_REQUIRED');
  });

  it('is placed once and released once', () => {
    given([placed])
      .when(command('PlaceLegalHold', place, OFFICER))
      .thenNothing();
    given([placed, released])
      .when(command('ReleaseLegalHold', release, OFFICER))
      .thenNothing();
    given([placed, released])
      .when(command('PlaceLegalHold', place, OFFICER))
      .thenNothing();
    given([])
      .when(command('ReleaseLegalHold', release, OFFICER))
      .thenRejected('LEGAL_HOLD_UNKNOWN', { holdId });
  });

  it('has a stream and a claim of its own, freed by its release', () => {
    const claimOf = (type: 'PlaceLegalHold' | 'ReleaseLegalHold') =>
      governance.routes[type]?.claims?.(command(type, { holdId, reason: 'x' }));
    const claim = { stream: `default/governance/legal-hold/${holdId}`, kind: 'legal-hold', key: holdId };
    expect(claimOf('PlaceLegalHold')).toEqual([{ ...claim, take: true }]);
    expect(claimOf('ReleaseLegalHold')).toEqual([{ ...claim, take: false }]);
  });
});
