import { type Actor, fold, isRejected } from '@kontor/event-sourcing';
import { deciderSpec, metadata } from '@kontor/event-sourcing/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { governance } from './context.js';
import type { GateContext } from './commands.js';
import { defaultPolicies } from './default-policies.js';
import type { GovernanceEvent } from './events.js';
import { ADMIN, as, command, id, LOCAL, OFFICER, OTHER_SERVICE, OWN_SERVICE, person, SUBJECT } from './fixture.js';
import { buildFacts } from './facts.js';
import { openGates, subject, type SubjectCommand } from './subject.js';

const ROLLOUT = '01975b00-0000-7000-8000-0000000000aa';
const service = as(OWN_SERVICE);
type CommandData<Type extends SubjectCommand['type']> = Extract<SubjectCommand, { type: Type }>['data'];

const approve = (actor: Actor, change: Partial<CommandData<'GiveApproval'>> = {}) =>
  command(
    'GiveApproval',
    {
      approvalId: id(1),
      subject: SUBJECT,
      environment: 'production',
      role: 'validator',
      meaning: 'APPROVED',
      comment: '',
      expiresAt: null,
      ...change,
    },
    actor,
  );
const revoke = (actor: Actor) =>
  command('RevokeApproval', { approvalId: id(1), subject: SUBJECT, reason: 'a mistake' }, actor);
const mediumPolicy = defaultPolicies.find(({ tiers }) => tiers.includes('MEDIUM'));
const context: GateContext = {
  useCase: { useCaseId: 'credit', tier: 'MEDIUM', suspended: false },
  policy: mediumPolicy
    ? {
        ...mediumPolicy,
        // Approvals alone decide here; evidence has its own cases in the table of the gate.
        rules: mediumPolicy.rules.filter(({ id: rule }) => rule === 'APPROVALS' || rule === 'UNOPPOSED'),
        version: 1,
        digest: `sha256:${'b'.repeat(64)}`,
        by: 'root',
      }
    : null,
  restsOn: [{ stream: 'default/governance/use-case/credit', version: '2' }],
};
const evaluate = command(
  'EvaluateGate',
  {
    rolloutId: ROLLOUT,
    endpoint: 'credit',
    environment: 'production',
    subject: SUBJECT,
    requestedBy: 'rosa',
    context,
  },
  OWN_SERVICE,
);
const authored: GovernanceEvent = { type: 'AuthorshipRecorded', data: { subject: SUBJECT, authors: ['ada'] } };
const { given } = deciderSpec(subject);
const after = (...commands: SubjectCommand[]): GovernanceEvent[] => {
  let events: GovernanceEvent[] = [authored];
  for (const next of commands) {
    const decision = subject.decide(next, fold(subject, events));
    if (isRejected(decision)) throw new Error(decision.rejection.code);
    events = [...events, ...decision];
  }
  return events;
};
const vera = person('vera', 'validator');
const refusal = (events: readonly GovernanceEvent[]) =>
  events.map((event) => (event.type === 'ApprovalRefused' ? event.data.reason : event.type));

describe('authorship', () => {
  const record = (authors: string[], actor = OWN_SERVICE) =>
    command('RecordAuthorship', { subject: SUBJECT, authors }, actor);
  const recorded = (...authors: string[]): GovernanceEvent => ({
    type: 'AuthorshipRecorded',
    data: { subject: SUBJECT, authors },
  });

  it('is recorded for each author once', () => {
    given([])
      .when(record(['ada', 'bob', 'ada']))
      .then([recorded('ada', 'bob')]);
    given([authored])
      .when(record(['ada', 'bob']))
      .then([recorded('bob')]);
    given([authored])
      .when(record(['ada']))
      .thenNothing();
  });
  it('comes from the platform only, so that nobody writes another person out of an approval', () => {
    for (const actor of [ADMIN, LOCAL, OTHER_SERVICE]) {
      given([])
        .when(record(['vera'], actor))
        .thenRejected('SERVICE_ONLY', { actor: actor.id });
    }
  });
});

describe('an approval', () => {
  it('by an author is refused, and the attempt is recorded', () => {
    expect(
      refusal(
        given([authored])
          .when(approve(person('ada', 'validator')))
          .events(),
      ),
    ).toEqual(['SELF_APPROVAL']);
  });
  it('by the person who requested the rollout is refused', () => {
    expect(
      refusal(
        given(after(evaluate))
          .when(approve(person('rosa', 'validator')))
          .events(),
      ),
    ).toEqual(['SELF_APPROVAL']);
  });
  it('by a service or by the local user is refused', () => {
    const bot = approve({ id: 'bot', kind: 'service', roles: ['validator'] });
    const local = approve({ id: 'local', kind: 'local', roles: ['validator'] });
    expect(refusal(given([]).when(bot).events())).toEqual(['NOT_A_PERSON']);
    expect(refusal(given([]).when(local).events())).toEqual(['NOT_A_PERSON']);
  });
  it('without the role is refused', () => {
    expect(
      refusal(
        given([])
          .when(approve(person('vera')))
          .events(),
      ),
    ).toEqual(['ROLE_MISSING']);
  });
  it('expires after 14 days unless it says otherwise', () => {
    expect(given([authored]).when(approve(vera)).events()).toMatchObject([
      { type: 'ApprovalGiven', data: { by: 'vera', expiresAt: '2026-06-15T12:00:00.000Z' } },
    ]);
  });
  it('must expire in the future', () => {
    const expiresAt = '2026-06-01T12:00:00.000Z';
    given([])
      .when(approve(vera, { expiresAt }))
      .thenRejected('APPROVAL_ALREADY_EXPIRED', { expiresAt, now: expiresAt });
  });
  it('by one person counts once', () => {
    given(after(approve(vera)))
      .when(approve(vera, { approvalId: id(2) }))
      .thenRejected('APPROVAL_EXISTS');
  });
  it('can be revoked once, if it exists', () => {
    given([])
      .when(revoke(vera))
      .thenRejected('APPROVAL_UNKNOWN', { approvalId: id(1) });
    given(after(approve(vera), revoke(vera)))
      .when(revoke(vera))
      .thenNothing();
  });
  it('is revoked by who gave it or by a risk officer, an objection only by who raised it', () => {
    const approved = given(after(approve(vera)));
    approved.when(revoke(person('mallory', 'validator', 'admin'))).thenRejected('NOT_THE_APPROVER');
    expect(refusal(approved.when(revoke(OFFICER)).events())).toEqual(['ApprovalRevoked']);
    expect(refusal(approved.when(revoke(vera)).events())).toEqual(['ApprovalRevoked']);
    const objected = given(after(approve(vera, { meaning: 'REJECTED' })));
    objected.when(revoke(OFFICER)).thenRejected('NOT_THE_APPROVER');
    expect(refusal(objected.when(revoke(vera)).events())).toEqual(['ApprovalRevoked']);
  });
  it('is never one by an author, whatever is tried', () => {
    const attempt = fc.record({
      who: fc.constantFrom('ada', 'vera', 'rosa'),
      kind: fc.constantFrom('person' as const, 'local' as const, 'service' as const),
      role: fc.constantFrom('validator', 'risk-officer', 'author'),
    });
    fc.assert(
      fc.property(fc.array(attempt, { maxLength: 20 }), (attempts) => {
        let events: GovernanceEvent[] = [authored];
        attempts.forEach(({ who, kind, role }, n) => {
          const decision = subject.decide(
            approve({ id: who, kind, roles: [role] }, { role, approvalId: id(n) }),
            fold(subject, events),
          );
          if (!isRejected(decision)) events = [...events, ...decision];
        });
        const approvers = events.flatMap((event) => (event.type === 'ApprovalGiven' ? [event.data.by] : []));
        expect(approvers).not.toContain('ada');
      }),
      { seed: 4711 },
    );
  });
});

describe('evidence', () => {
  const record = (actor: Actor, change: object = {}, type: 'review' | 'evaluation' = 'review'): SubjectCommand => ({
    type: 'RecordEvidence',
    data: {
      subject: SUBJECT,
      evidence: [{ evidenceId: id(7), type, metrics: { findings: 0 } }],
      reviewer: null,
      sourceEventId: null,
      ...change,
    },
    metadata: as(actor),
  });
  const from = given([authored]);

  it('of type review comes from a person, who is its reviewer', () => {
    const data = { type: 'review', author: 'vera', reviewer: 'vera', sourceEventId: null };
    expect(from.when(record(vera)).events()).toMatchObject([{ type: 'EvidenceRecorded', data }]);
    expect(from.when(record(vera, { reviewer: 'vera' })).events()).toHaveLength(1);
  });
  it('that is measured never comes from a person', () => {
    from.when(record(vera, {}, 'evaluation')).thenRejected('EVIDENCE_IS_MEASURED');
    from.when(record(vera, { sourceEventId: id(8) })).thenRejected('EVIDENCE_IS_MEASURED');
    expect(from.when(record(service.actor, {}, 'evaluation')).events()).toHaveLength(1);
  });
  it('cannot name another reviewer, nor come from an author, the local user or another service', () => {
    from.when(record(vera, { reviewer: 'olga' })).thenRejected('REVIEWER_NOT_SENDER');
    from.when(record(person('ada', 'validator'))).thenRejected('REVIEW_BY_AUTHOR');
    from.when(record({ id: 'local:x', kind: 'local', roles: [] })).thenRejected('SERVICE_ONLY');
    from.when(record({ id: 'service:serving', kind: 'service', roles: [] })).thenRejected('SERVICE_ONLY');
  });
  it('that was measured is recorded even if a review took its id', () => {
    const taken = after(record(vera));
    expect(
      given(taken)
        .when(record(service.actor, {}, 'evaluation'))
        .events(),
    ).toHaveLength(1);
    given(taken).when(record(vera)).thenNothing();
  });
  it('of type review is no fact once its reviewer is known as an author', () => {
    const facts = (events: readonly GovernanceEvent[]) =>
      buildFacts(
        fold(subject, events),
        { endpoint: 'credit', environment: 'production', requestedBy: 'rosa' },
        context,
        metadata().now,
      ).evidence;
    const reviewed = after(record(vera));
    expect(facts(reviewed)['review']).toMatchObject({ reviewer: 'vera' });
    const late: GovernanceEvent = { type: 'AuthorshipRecorded', data: { subject: SUBJECT, authors: ['vera'] } };
    expect(facts([...reviewed, late])).toEqual({});
  });
});

describe('a gate decision', () => {
  const outcomeOf = (events: readonly GovernanceEvent[]) =>
    events.map((event) => (event.type === 'GateEvaluated' ? event.data.outcome : event.type));

  it('blocks before and passes after the approval, and is a valid event', () => {
    expect(outcomeOf(given([authored]).when(evaluate).events())).toEqual(['BLOCK']);
    const [event] = given(after(approve(vera)))
      .when(evaluate)
      .events();
    expect(outcomeOf(event ? [event] : [])).toEqual(['PASS']);
    expect(governance.events['GateEvaluated']?.parse(event?.data)).toEqual(event?.data);
  });
  it('is made once per rollout', () => {
    given(after(approve(vera), evaluate))
      .when(evaluate)
      .thenNothing();
  });
  it('comes from the platform only', () => {
    const again = command('ReevaluateGates', { subject: SUBJECT, contexts: {}, ended: [] });
    const settle = command('SettleGate', { rolloutId: ROLLOUT, subject: SUBJECT });
    for (const actor of [vera, ADMIN, LOCAL, OTHER_SERVICE]) {
      for (const sent of [evaluate, again, settle]) {
        given(after(approve(vera), evaluate))
          .when({ ...sent, metadata: as(actor) })
          .thenRejected('SERVICE_ONLY', { actor: actor.id });
      }
    }
  });
  it('is not made before what it rests on was read', () => {
    const blind = command('EvaluateGate', { ...evaluate.data, context: null }, OWN_SERVICE);
    expect(() => given([]).when(blind)).toThrow('before its context was read');
    const blindAgain = command('ReevaluateGates', { subject: SUBJECT, contexts: null, ended: [] }, OWN_SERVICE);
    expect(() => given([]).when(blindAgain)).toThrow('before its contexts were read');
  });
  it('is settled once, when its rollout starts', () => {
    const settle = command('SettleGate', { rolloutId: ROLLOUT, subject: SUBJECT }, OWN_SERVICE);
    given([authored]).when(settle).thenNothing();
    const settled = given(after(approve(vera), evaluate))
      .when(settle)
      .events();
    expect(settled).toMatchObject([{ type: 'GateSettled', data: { rolloutId: ROLLOUT, subject: SUBJECT } }]);
    given(after(approve(vera), evaluate, settle))
      .when(settle)
      .thenNothing();
  });
  it('is made again when facts changed after a pass, and not once the rollout has started', () => {
    const again: SubjectCommand = {
      type: 'ReevaluateGates',
      data: { subject: SUBJECT, contexts: { [ROLLOUT]: context }, ended: [] },
      metadata: service,
    };
    const settle: SubjectCommand = {
      type: 'SettleGate',
      data: { rolloutId: ROLLOUT, subject: SUBJECT },
      metadata: service,
    };
    const passed = after(approve(vera), evaluate);
    expect(openGates(fold(subject, passed))).toHaveLength(1);
    given(passed).when(again).thenNothing();
    expect(
      outcomeOf(
        given(after(approve(vera), evaluate, revoke(vera)))
          .when(again)
          .events(),
      ),
    ).toEqual(['BLOCK']);
    given(after(approve(vera), evaluate, settle, revoke(vera)))
      .when(again)
      .thenNothing();
  });
});

describe('a passed decision whose use case or policy has moved', () => {
  const moved = (change: Partial<NonNullable<GateContext['useCase']>> = {}): GateContext => ({
    ...context,
    useCase: context.useCase && { ...context.useCase, ...change },
    restsOn: [{ stream: 'default/governance/use-case/credit', version: '3' }],
  });
  const again = (...gates: [string, GateContext][]): SubjectCommand => ({
    type: 'ReevaluateGates',
    data: { subject: SUBJECT, contexts: Object.fromEntries(gates), ended: [] },
    metadata: service,
  });
  const passed = after(approve(vera), evaluate);
  const second = '01975b00-0000-7000-8000-0000000000bb';

  it('is made again, with what is true now', () => {
    const now = given(passed);
    expect(now.when(again([ROLLOUT, moved()])).events()).toMatchObject([
      { data: { rolloutId: ROLLOUT, outcome: 'PASS', restsOn: [{ version: '3' }] } },
    ]);
    expect(now.when(again([ROLLOUT, moved({ suspended: true })])).events()).toMatchObject([
      { data: { rolloutId: ROLLOUT, outcome: 'BLOCK' } },
    ]);
  });
  it('comes to rest: the new decision is not made again for the same change', () => {
    given(after(approve(vera), evaluate, again([ROLLOUT, moved()])))
      .when(again([ROLLOUT, moved()]))
      .thenNothing();
  });
  it('lets another rollout of these bytes wait while it holds, so that two never outdate each other for ever', () => {
    const other = { ...evaluate, data: { ...evaluate.data, rolloutId: second } };
    given(after(approve(vera), evaluate, other))
      .when(again([ROLLOUT, context], [second, context]))
      .thenNothing();
  });
  it('lets nobody wait for a rollout that was aborted before it started', () => {
    const other = { ...evaluate, data: { ...evaluate.data, rolloutId: second } };
    const held = again([ROLLOUT, context], [second, context]);
    if (held.type !== 'ReevaluateGates') throw new Error('it is another command');
    const bothThenFirst = [...after(approve(vera), other, evaluate)];
    given(bothThenFirst).when(held).thenNothing();
    expect(
      given(bothThenFirst)
        .when({ ...held, data: { ...held.data, ended: [ROLLOUT] } })
        .events(),
    ).toMatchObject([{ data: { rolloutId: second, outcome: 'PASS' } }]);
  });
});
