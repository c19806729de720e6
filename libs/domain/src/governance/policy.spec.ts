import { type Command, type CommandOf, InMemoryEventStore } from '@kontor/event-sourcing';
import { deciderSpec, metadata } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import type { governanceCommands } from './commands.js';
import { governance } from './context.js';
import type { GovernanceEvent } from './events.js';
import { ADMIN, command, LOCAL, OFFICER, OTHER_SERVICE, OWN_SERVICE, person } from './fixture.js';
import { policy } from './policy.js';

type ActivatePolicy = CommandOf<typeof governanceCommands, 'ActivatePolicy'>['data'];

/** A workspace in which each activation appends one event with the claims of its route. Answers the append's outcome. */
const workspace = () => {
  const store = new InMemoryEventStore({ now: () => '2026-06-01T12:00:00.000000Z' });
  let sent = 0;
  const uuid = () => `01975b00-0000-7000-8000-${String((sent += 1)).padStart(12, '0')}`;
  return async (policyId: string, environment: ActivatePolicy['environment'], ...tiers: ActivatePolicy['tiers']) => {
    const data: ActivatePolicy = { policyId, environment, tiers, rules: [] };
    const command: Command = { type: 'ActivatePolicy', data, metadata: metadata() };
    const route = governance.routes['ActivatePolicy'];
    if (!route?.claims) throw new Error('ActivatePolicy takes no claims');
    const meta = { correlationId: uuid(), actorKind: 'person' as const };
    const event = { eventId: uuid(), type: 'PolicyActivated', schemaVersion: 1, data, meta };
    const appended = await store.append({
      commandId: uuid(),
      requestHash: new Uint8Array(32),
      actor: 'olga',
      writes: [{ stream: route.stream(command), expected: 'any', events: [event] }],
      claims: route.claims(command),
    });
    return appended.outcome;
  };
};

describe('a policy', () => {
  const rule = { id: 'R1', title: 't', measure: 'm', requires: [], when: 'true', advice: 'a' };
  const activate = (change: Partial<ActivatePolicy> = {}, actor = OFFICER) =>
    command(
      'ActivatePolicy',
      { policyId: 'p', environment: 'production', tiers: ['LOW'], rules: [rule], ...change },
      actor,
    );
  const { given } = deciderSpec(policy);
  const digestsOf = (events: readonly GovernanceEvent[]) =>
    events.flatMap((event) => (event.type === 'PolicyActivated' ? [event.data.digest] : []));

  it('is in force with the next number and its digest, and the same table changes nothing', () => {
    const first = given([]).when(activate()).events();
    expect(first).toMatchObject([{ type: 'PolicyActivated', data: { version: 1, tiers: ['LOW'], by: 'olga' } }]);
    expect(governance.events['PolicyActivated']?.parse(first[0]?.data)).toEqual(first[0]?.data);
    given(first).when(activate()).thenNothing();
    given(first)
      .when(activate({ tiers: ['LOW', 'LOW'] }))
      .thenNothing();
    for (const change of [
      { environment: 'staging' as const },
      { tiers: ['HIGH' as const] },
      { rules: [{ ...rule, when: 'false' }] },
    ]) {
      const [second] = given(first).when(activate(change)).events();
      expect(second).toMatchObject({ data: { version: 2, ...change } });
      expect(digestsOf(second ? [second] : [])).not.toEqual(digestsOf(first));
    }
  });

  it('with a rule that could not be evaluated as it is meant is refused, and it is said which', () => {
    given([])
      .when(activate({ rules: [rule, rule] }))
      .thenRejected('POLICY_INVALID', {
        policyId: 'p',
        problems: ['Rule R1 stands in the table more than once.'],
      });
    given([])
      .when(activate({ rules: [{ ...rule, when: '1 +' }] }))
      .thenRejected('POLICY_INVALID');
  });

  it('is activated by a risk officer, an admin, the local user or the platform itself, and by nobody else', () => {
    for (const actor of [OFFICER, ADMIN, LOCAL, OWN_SERVICE]) {
      expect(given([]).when(activate({}, actor)).events()).toHaveLength(1);
    }
    for (const actor of [person('vera', 'validator'), OTHER_SERVICE]) {
      const details = { actor: actor.id, anyOf: ['risk-officer', 'admin'] };
      given([]).when(activate({}, actor)).thenRejected('ROLE_REQUIRED', details);
    }
  });

  it('stays as people have made it when the platform comes with its default', () => {
    const first = given([]).when(activate()).events();
    const other = { tiers: ['HIGH' as const] };
    given(first).when(activate(other, OWN_SERVICE)).thenNothing();
    expect(given(first).when(activate(other)).events()).toHaveLength(1);
  });

  it('keeps its tiers for itself while they are in its newest version', async () => {
    const activate = workspace();
    expect(await activate('strict', 'production', 'HIGH')).toBe('appended');
    expect(await activate('mild', 'production', 'HIGH')).toBe('claimed');
    expect(await activate('mild', 'staging', 'HIGH')).toBe('appended');
    expect(await activate('strict', 'production', 'HIGH')).toBe('appended');
    expect(await activate('mild', 'production', 'HIGH')).toBe('claimed');
  });

  it('frees the tiers and the environment that its newest version has left, and nothing of another policy', async () => {
    const activate = workspace();
    expect(await activate('strict', 'production', 'MEDIUM', 'HIGH')).toBe('appended');
    expect(await activate('strict', 'production', 'MEDIUM')).toBe('appended');
    expect(await activate('mild', 'production', 'HIGH')).toBe('appended');
    expect(await activate('strict', 'staging', 'MEDIUM')).toBe('appended');
    expect(await activate('mild', 'production', 'MEDIUM', 'HIGH')).toBe('appended');
    expect(await activate('strict', 'production', 'HIGH')).toBe('claimed');
  });
});
