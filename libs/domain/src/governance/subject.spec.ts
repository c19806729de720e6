import { type Actor, fold, isRejected } from '@kontor/event-sourcing';
import { deciderSpec, metadata } from '@kontor/event-sourcing/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { governance } from './context.js';
import type { GateContext } from './commands.js';
import { defaultPolicies } from './default-policies.js';
import type { GovernanceEvent } from './events.js';
import { buildFacts } from './facts.js';
import { policy } from './policy.js';
import { recheck } from './recheck.js';
import { openGates, subject, type SubjectCommand } from './subject.js';
import { useCase } from './use-case.js';

const SUBJECT = { modelName: 'credit', version: 1, manifestDigest: `sha256:${'a'.repeat(64)}` };
const ROLLOUT = '01975b00-0000-7000-8000-0000000000aa';
const id = (n: number) => `01975b00-0000-7000-8000-${String(n).padStart(12, '0')}`;
const person = (name: string, ...roles: string[]): Actor => ({ id: name, kind: 'person', roles });
const as = (actor: Actor) => metadata({ actor });
const OFFICER = person('olga', 'risk-officer');
const service = as({ id: 'service:governance', kind: 'service', roles: [] });

const approve = (actor: Actor, role = 'validator', n = 1): SubjectCommand => ({
  type: 'GiveApproval',
  data: {
    approvalId: id(n),
    subject: SUBJECT,
    environment: 'production',
    role,
    meaning: 'APPROVED',
    comment: '',
    expiresAt: null,
  },
  metadata: as(actor),
});
const low = defaultPolicies.find(({ tiers }) => tiers.includes('MEDIUM'));
const context: GateContext = {
  useCase: { useCaseId: 'credit', tier: 'MEDIUM', suspended: false },
  policy: low
    ? {
        ...low,
        // Approvals alone decide here; evidence has its own cases in the table of the gate.
        rules: low.rules.filter(({ id: rule }) => rule === 'APPROVALS' || rule === 'UNOPPOSED'),
        version: 1,
        digest: `sha256:${'b'.repeat(64)}`,
        by: 'root',
      }
    : null,
  restsOn: [{ stream: 'default/governance/use-case/credit', version: '2' }],
};
const evaluate: SubjectCommand = {
  type: 'EvaluateGate',
  data: {
    rolloutId: ROLLOUT,
    endpoint: 'credit',
    environment: 'production',
    subject: SUBJECT,
    requestedBy: 'rosa',
    context,
  },
  metadata: service,
};
const authored: GovernanceEvent = { type: 'AuthorshipRecorded', data: { subject: SUBJECT, authors: ['ada'] } };
const { given } = deciderSpec(subject);
const after = (...commands: SubjectCommand[]): GovernanceEvent[] => {
  let events: GovernanceEvent[] = [authored];
  for (const command of commands) {
    const decision = subject.decide(command, fold(subject, events));
    if (isRejected(decision)) throw new Error(decision.rejection.code);
    events = [...events, ...decision];
  }
  return events;
};
const vera = person('vera', 'validator');
const refusal = (events: readonly GovernanceEvent[]) =>
  events.map((event) => (event.type === 'ApprovalRefused' ? event.data.reason : event.type));

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
    const command = approve(vera);
    if (command.type !== 'GiveApproval') return;
    const data = { ...command.data, expiresAt: '2026-06-01T12:00:00.000Z' };
    given([])
      .when({ ...command, data })
      .thenRejected('APPROVAL_ALREADY_EXPIRED');
  });
  it('by one person counts once', () => {
    given(after(approve(vera)))
      .when(approve(vera, 'validator', 2))
      .thenRejected('APPROVAL_EXISTS');
  });
  it('can be revoked once, if it exists', () => {
    const revoke: SubjectCommand = {
      type: 'RevokeApproval',
      data: { approvalId: id(1), subject: SUBJECT, reason: 'a mistake' },
      metadata: as(vera),
    };
    given([]).when(revoke).thenRejected('APPROVAL_UNKNOWN');
    given(after(approve(vera), revoke))
      .when(revoke)
      .thenNothing();
  });
  it('is revoked by who gave it or by a risk officer, an objection only by who raised it', () => {
    const revoke = (actor: Actor): SubjectCommand => ({
      type: 'RevokeApproval',
      data: { approvalId: id(1), subject: SUBJECT, reason: 'r' },
      metadata: as(actor),
    });
    const approved = given(after(approve(vera)));
    approved.when(revoke(person('mallory', 'validator', 'admin'))).thenRejected('NOT_THE_APPROVER');
    expect(refusal(approved.when(revoke(OFFICER)).events())).toEqual(['ApprovalRevoked']);
    expect(refusal(approved.when(revoke(vera)).events())).toEqual(['ApprovalRevoked']);
    const command = approve(vera);
    if (command.type !== 'GiveApproval') return;
    const objected = given(after({ ...command, data: { ...command.data, meaning: 'REJECTED' } }));
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
          const decision = subject.decide(approve({ id: who, kind, roles: [role] }, role, n), fold(subject, events));
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
    given([])
      .when({ ...evaluate, metadata: as(vera) })
      .thenRejected('SERVICE_ONLY');
  });
  it('is made again when facts changed after a pass, and not once the rollout has started', () => {
    const again: SubjectCommand = {
      type: 'ReevaluateGates',
      data: { subject: SUBJECT, contexts: { [ROLLOUT]: context } },
      metadata: service,
    };
    const revoke: SubjectCommand = {
      type: 'RevokeApproval',
      data: { approvalId: id(1), subject: SUBJECT, reason: 'a mistake' },
      metadata: as(vera),
    };
    const settle: SubjectCommand = {
      type: 'SettleGate',
      data: { rolloutId: ROLLOUT, subject: SUBJECT },
      metadata: service,
    };
    const passed = after(approve(vera), evaluate);
    expect(openGates(fold(subject, passed), metadata().now)).toHaveLength(1);
    given(passed).when(again).thenNothing();
    expect(
      outcomeOf(
        given(after(approve(vera), evaluate, revoke))
          .when(again)
          .events(),
      ),
    ).toEqual(['BLOCK']);
    given(after(approve(vera), evaluate, settle, revoke))
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
    data: { subject: SUBJECT, contexts: Object.fromEntries(gates) },
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
    const other = { ...evaluate, data: { ...evaluate.data, rolloutId: second } } as SubjectCommand;
    given(after(approve(vera), evaluate, other))
      .when(again([ROLLOUT, context], [second, context]))
      .thenNothing();
  });
  it('is looked for once per change, by the platform only', () => {
    const look = (subjects: (typeof SUBJECT)[], actor = service) => ({
      type: 'RecheckGates' as const,
      data: { causeId: id(9), moved: 'default/governance/use-case/credit', subjects },
      metadata: actor,
    });
    const spec = deciderSpec(recheck);
    const found = spec
      .given([])
      .when(look([SUBJECT]))
      .events();
    expect(found).toMatchObject([{ type: 'GatesRechecked', data: { subjects: [SUBJECT] } }]);
    expect(governance.events['GatesRechecked']?.parse(found[0]?.data)).toEqual(found[0]?.data);
    spec
      .given(found)
      .when(look([SUBJECT]))
      .thenNothing();
    spec.given([]).when(look([])).thenNothing();
    spec
      .given([])
      .when(look([SUBJECT], as(vera)))
      .thenRejected('SERVICE_ONLY');
  });
});

describe('a policy', () => {
  const activate = (change: object = {}, actor = OFFICER) => ({
    type: 'ActivatePolicy' as const,
    data: { policyId: 'p', environment: 'production' as const, tiers: ['LOW' as const], rules: [], ...change },
    metadata: as(actor),
  });
  const rule = { id: 'R1', title: 't', measure: 'm', requires: [], when: 'true', advice: 'a' };
  it('with a rule that cannot be checked is refused', () => {
    const spec = deciderSpec(policy).given([]);
    spec.when(activate({ rules: [{ ...rule, when: '1 +' }] })).thenRejected('POLICY_INVALID');
    spec.when(activate({ rules: [rule, rule] })).thenRejected('POLICY_INVALID');
  });
  it('is activated by a risk officer, an admin, the local user or the platform itself, and by nobody else', () => {
    const by = (actor: Actor) =>
      deciderSpec(policy)
        .given([])
        .when(activate({ rules: [rule] }, actor));
    by(person('vera', 'validator')).thenRejected('ROLE_REQUIRED', { actor: 'vera', anyOf: ['risk-officer', 'admin'] });
    by({ id: 'service:serving', kind: 'service', roles: ['admin'] }).thenRejected('ROLE_REQUIRED');
    for (const actor of [
      OFFICER,
      person('root', 'admin'),
      { id: 'l', kind: 'local', roles: [] } as Actor,
      service.actor,
    ])
      expect(by(actor).events()).toHaveLength(1);
  });
  it('gets the next number, and the same table changes nothing', () => {
    const spec = deciderSpec(policy);
    const first = spec
      .given([])
      .when(activate({ rules: [rule] }))
      .events();
    expect(first).toMatchObject([{ data: { version: 1 } }]);
    spec
      .given(first)
      .when(activate({ rules: [rule] }))
      .thenNothing();
    const second = spec
      .given(first)
      .when(activate({ rules: [{ ...rule, when: 'false' }] }))
      .events();
    expect(second).toMatchObject([{ data: { version: 2 } }]);
  });
});

describe('a use case', () => {
  const data = { useCaseId: 'credit', name: 'n', purpose: 'p', owner: 'o', endpoints: ['credit'], modelNames: [] };
  const registered: GovernanceEvent = { type: 'UseCaseRegistered', data };
  const suspend = { type: 'SuspendUseCase' as const, data: { useCaseId: 'credit', reason: 'r' }, metadata: metadata() };
  it('is registered once', () => {
    const register = { type: 'RegisterUseCase' as const, data, metadata: metadata() };
    deciderSpec(useCase).given([registered]).when(register).thenRejected('USE_CASE_EXISTS');
  });
  it('must be registered first', () => {
    deciderSpec(useCase).given([]).when(suspend).thenRejected('USE_CASE_UNKNOWN');
  });
  it('is classified and resumed by a risk officer, an admin or the local user only', () => {
    const answers = {
      ...{ legalTriggers: [], effect: 0, autonomy: 0, affectedPersons: 0, materiality: 0, irreversibility: 0 },
      ...{ opacity: 0, dataSensitivity: 0, dependents: 0, vendorUnknowns: 0 },
    };
    const by = (actor: Actor) => as(actor);
    const classify = { type: 'ClassifyUseCase' as const, data: { useCaseId: 'credit', answers } };
    const resume = { type: 'ResumeUseCase' as const, data: { useCaseId: 'credit', reason: 'r' } };
    const suspended: GovernanceEvent = {
      type: 'UseCaseSuspended',
      data: { useCaseId: 'credit', endpoints: ['credit'], reason: 'r', by: 'ada' },
    };
    const spec = deciderSpec(useCase).given([registered, suspended]);
    for (const command of [classify, resume]) {
      spec.when({ ...command, metadata: by(person('vera', 'validator')) }).thenRejected('ROLE_REQUIRED');
      for (const actor of [OFFICER, person('root', 'admin'), { id: 'l', kind: 'local', roles: [] } as Actor])
        expect(spec.when({ ...command, metadata: by(actor) }).events()).toHaveLength(1);
    }
  });
  it('is suspended by one person, with its endpoints', () => {
    const by = 'ada';
    deciderSpec(useCase)
      .given([registered])
      .when(suspend)
      .then([{ type: 'UseCaseSuspended', data: { useCaseId: 'credit', endpoints: ['credit'], reason: 'r', by } }]);
  });
});
