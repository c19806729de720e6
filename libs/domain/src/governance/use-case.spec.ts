import type { Actor } from '@kontor/event-sourcing';
import { deciderSpec } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import { governance } from './context.js';
import type { GovernanceEvent } from './events.js';
import { ADMIN, command, LOCAL, OFFICER, OTHER_SERVICE, OWN_SERVICE, person } from './fixture.js';
import { useCase } from './use-case.js';

const useCaseId = 'credit';
const data = { useCaseId, name: 'Credit', purpose: 'score', owner: 'berta', endpoints: ['credit'], modelNames: [] };
const answers = {
  ...{ legalTriggers: [], effect: 0, autonomy: 0, affectedPersons: 0, materiality: 0, irreversibility: 0 },
  ...{ opacity: 0, dataSensitivity: 0, dependents: 0, vendorUnknowns: 0 },
};
const registered: GovernanceEvent = { type: 'UseCaseRegistered', data };
const suspended: GovernanceEvent = {
  type: 'UseCaseSuspended',
  data: { useCaseId, endpoints: ['credit'], reason: 'complaints', by: 'ada' },
};
const resumed: GovernanceEvent = {
  type: 'UseCaseResumed',
  data: { useCaseId, endpoints: ['credit'], reason: 'mended', by: 'olga' },
};

const register = (endpoints = data.endpoints) => command('RegisterUseCase', { ...data, endpoints });
const classify = (actor: Actor = OFFICER, effect = 0) =>
  command('ClassifyUseCase', { useCaseId, answers: { ...answers, effect } }, actor);
const suspend = (actor?: Actor) => command('SuspendUseCase', { useCaseId, reason: 'complaints' }, actor);
const resume = (actor: Actor = OFFICER) => command('ResumeUseCase', { useCaseId, reason: 'mended' }, actor);

const { given } = deciderSpec(useCase);

describe('a use case', () => {
  it('is registered once, and names each endpoint once', () => {
    given([]).when(register()).then([registered]);
    given([])
      .when(register(['credit', 'credit']))
      .then([registered]);
    given([registered]).when(register()).thenRejected('USE_CASE_EXISTS', { useCaseId });
  });

  it('takes its endpoints for itself', () => {
    const claims = governance.routes['RegisterUseCase']?.claims?.(register(['credit', 'limit', 'credit']));
    expect(claims?.map(({ kind, key, take }) => [kind, key, take])).toEqual([
      ['use-case-endpoint', 'credit', true],
      ['use-case-endpoint', 'limit', true],
    ]);
  });

  it('is needed for everything else', () => {
    for (const other of [classify(), suspend(), resume()]) {
      given([]).when(other).thenRejected('USE_CASE_UNKNOWN', { useCaseId });
    }
  });

  it('is classified by its answers, and again only when they change', () => {
    const assigned = given([registered]).when(classify()).events();
    expect(assigned).toMatchObject([{ type: 'RiskTierAssigned', data: { useCaseId, answers, score: 0, by: 'olga' } }]);
    expect(governance.events['RiskTierAssigned']?.parse(assigned[0]?.data)).toEqual(assigned[0]?.data);
    given([registered, ...assigned])
      .when(classify())
      .thenNothing();
    expect(
      given([registered, ...assigned])
        .when(classify(OFFICER, 4))
        .events(),
    ).toMatchObject([{ data: { answers: { effect: 4 } } }]);
  });

  it('is suspended by anybody, once, with its endpoints', () => {
    given([registered]).when(suspend()).then([suspended]);
    given([registered, suspended]).when(suspend()).thenNothing();
    expect(given([registered]).when(suspend(OTHER_SERVICE)).events()).toHaveLength(1);
  });

  it('is resumed while it is suspended, and can be suspended again', () => {
    given([registered, suspended]).when(resume()).then([resumed]);
    given([registered]).when(resume()).thenNothing();
    given([registered, suspended, resumed]).when(resume()).thenNothing();
    given([registered, suspended, resumed]).when(suspend()).then([suspended]);
  });

  it('is classified and resumed by a risk officer, an admin or the local user only', () => {
    const spec = given([registered, suspended]);
    for (const commandOf of [classify, resume]) {
      for (const actor of [OFFICER, ADMIN, LOCAL]) expect(spec.when(commandOf(actor)).events()).toHaveLength(1);
      for (const actor of [person('vera', 'validator'), OTHER_SERVICE, OWN_SERVICE]) {
        const details = { actor: actor.id, anyOf: ['risk-officer', 'admin'] };
        spec.when(commandOf(actor)).thenRejected('ROLE_REQUIRED', details);
      }
    }
  });
});
