import { generateKeyPairSync } from 'node:crypto';
import { eventually, uuidv7 } from '@kontor/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { ensureKeyPair, loadPrivateKey, signAssertion } from '@kontor/service/process';
import { type Platform, startPlatform } from '../platform.js';
import { Doors, type Forgery, type Version, type Visitor } from './gate.fixture.js';

// Everything that a sceptic would try to get a version into production without its gate, over every door of a running
// platform. One story: what is refused in one test is the beginning of the next.

const ENDPOINT = 'loans';
const MODEL = 'loan';
const ADA: Visitor = { id: 'ada', roles: ['data-scientist'] };
const OTTO: Visitor = { id: 'otto', roles: ['operator'] };
const VERA: Visitor = { id: 'vera', roles: ['validator'] };
const OLGA: Visitor = { id: 'olga', roles: ['risk-officer'] };

let platform: Platform;
let doors: Doors;
let good: Version & { readonly folder: string };
let other: Version & { readonly folder: string };

const subjectOf = ({ modelName, version, manifestDigest }: Version): Version => ({
  modelName,
  version,
  manifestDigest,
});

const requestRollout = async (of: Version, by = OTTO): Promise<string> => {
  const rolloutId = uuidv7();
  const { modelName, version } = of;
  const steps = [{ weightBps: 10_000, minRows: 0, minDurationMs: 0 }];
  const input = { clientMutationId: rolloutId, endpoint: ENDPOINT, modelName, version, strategy: { steps } };
  expect(await doors.act('requestRollout', input, by)).toBe('accepted');
  return rolloutId;
};

const approve = (of: Version, role: string, by?: Visitor) => {
  const input = { subject: subjectOf(of), environment: 'PRODUCTION', role, meaning: 'APPROVED', comment: '' };
  return doors.act('giveApproval', input, by);
};

const RULES = ['validator', 'risk-officer'].map((role) => ({
  ruleId: role.toUpperCase(),
  title: `A ${role} approved`,
  measure: 'human-sign-off',
  requires: [],
  when: `validApprovals.exists(a, a.role == "${role}")`,
  advice: 'Ask for approval.',
}));
const activate = (by: Visitor, rules: readonly object[] = RULES) =>
  doors.act('activatePolicy', { policyId: 'production-low', environment: 'PRODUCTION', tiers: ['LOW'], rules }, by);

/** No version has traffic, and no rollout has started. */
const nothingRuns = async (): Promise<void> => {
  expect(await doors.events('RolloutStarted')).toEqual([]);
  const { routed, answers } = await doors.serving(ENDPOINT);
  expect(routed).toEqual([]);
  expect(answers).not.toBe(200);
};

const pause = (name: string): void => void process.kill(platform.processes()[name] ?? 0, 'SIGSTOP');
const goOn = (name: string): void => void process.kill(platform.processes()[name] ?? 0, 'SIGCONT');

const gatesOf = async (rolloutId: string) =>
  (await doors.events('GateEvaluated')).filter(({ data }) => data.rolloutId === rolloutId);

/**
 * A rollout whose gate has passed and which has not started: deployment is held from the request on, and does something
 * in between.
 */
const betweenGateAndStart = async (act: () => Promise<void>): Promise<string> => {
  pause('governance');
  const rolloutId = await requestRollout(good);
  pause('deployment');
  try {
    goOn('governance');
    await eventually(async () => (await gatesOf(rolloutId))[0]?.data.outcome === 'PASS');
    await act();
    await eventually(async () => (await gatesOf(rolloutId)).at(-1)?.data.outcome !== 'PASS');
  } finally {
    goOn('deployment');
  }
  return rolloutId;
};

beforeAll(async () => {
  platform = await startPlatform();
  return platform.stop;
});
beforeAll(async () => {
  doors = new Doors(platform);
  good = await doors.register(MODEL, 0.6, ADA);
  other = await doors.register(MODEL, 0.9, ADA);
  const answers = {
    ...{ legalTriggers: [], effect: 0, autonomy: 0, affectedPersons: 0, materiality: 0, irreversibility: 0 },
    ...{ opacity: 0, dataSensitivity: 0, dependents: 0, vendorUnknowns: 0 },
  };
  const useCase = { useCaseId: 'loans', name: 'Loans', purpose: 'Who gets one', owner: 'o', endpoints: [ENDPOINT] };
  for (const answer of [
    await doors.act('createEndpoint', { endpoint: ENDPOINT, environment: 'PRODUCTION', description: '' }, OTTO),
    await doors.act('registerUseCase', { ...useCase, modelNames: [MODEL] }, ADA),
    await doors.act('classifyUseCase', { useCaseId: 'loans', answers }, OLGA),
    await activate(OLGA),
  ]) {
    expect(answer).toBe('accepted');
  }
});

describe('a version gets into production without its gate neither', () => {
  it("by its author's request, which is recorded with the reasons", async () => {
    const { reasons } = await doors.rollout(await requestRollout(good, ADA), 'REFUSED');
    expect(reasons.join('\n')).toContain('A validator approved: Does not hold (valid approvals: none)');
    await nothingRuns();
  });

  it('by an approval of its author under whatever token, role or none, each of which is recorded', async () => {
    const before = (await doors.events('ApprovalRefused')).length;
    expect(await approve(good, 'data-scientist', ADA)).toBe('SELF_APPROVAL');
    expect(await approve(good, 'validator', { ...ADA, roles: ['validator', 'admin', 'risk-officer'] })).toBe(
      'SELF_APPROVAL',
    );
    // The local user of open mode can do everything but count as a second person.
    expect(await approve(good, 'admin')).toBe('NOT_A_PERSON');
    expect(await approve(good, 'risk-officer', VERA)).toBe('ROLE_MISSING');
    const refused = (await doors.events('ApprovalRefused')).slice(before);
    expect(refused.map(({ data }) => data.reason)).toEqual([
      'SELF_APPROVAL',
      'SELF_APPROVAL',
      'NOT_A_PERSON',
      'ROLE_MISSING',
    ]);
    expect(await doors.events('ApprovalGiven')).toEqual([]);
  });

  it('by the approval of who asks for it', async () => {
    const vera = { ...VERA, roles: ['validator', 'operator'] };
    const rolloutId = await requestRollout(good, vera);
    await doors.rollout(rolloutId, 'REFUSED');
    expect(await approve(good, 'validator', vera)).toBe('SELF_APPROVAL');
    const refused = (await doors.events('ApprovalRefused')).at(-1);
    expect(refused?.data).toMatchObject({ by: 'vera', reason: 'SELF_APPROVAL' });
    await nothingRuns();
  });

  it('by approvals of other bytes, and not by bytes that were put in the place of approved ones', async () => {
    const ines: Visitor = { id: 'ines', roles: ['validator'] };
    expect(await approve(other, 'validator', ines)).toBe('accepted');
    expect(await approve(other, 'risk-officer', OLGA)).toBe('accepted');
    await doors.rollout(await requestRollout(good), 'REFUSED');
    const overwritten = await doors.mlflow(`${other.folder}/decision-table.json`, '{"default": {"score": 1}}', ADA);
    expect(overwritten).toMatchObject({ status: 409, body: { rejection: 'ARTIFACT_IMMUTABLE' } });
    expect(await doors.mlflow(`${other.folder}/decision-table.json`, '', ADA, 'DELETE')).toMatchObject({ status: 409 });
    const tried = await doors.events('ArtifactWriteRefused');
    const registeredAs = { modelName: MODEL, version: other.version };
    expect(tried.map(({ data }) => data)).toMatchObject([
      { path: 'model/decision-table.json', registeredAs, by: 'ada' },
      { registeredAs, by: 'ada' },
    ]);
    // The same name again is another version with another digest, which nobody has approved.
    const again = await doors.register(MODEL, 0.1, ADA);
    expect(again.manifestDigest).not.toBe(other.manifestDigest);
    await doors.rollout(await requestRollout(again), 'REFUSED');
    await nothingRuns();
  });

  it('by an alias or a stage of the registry', async () => {
    const version = String(good.version);
    const alias = await doors.mlflow('registered-models/alias', { name: MODEL, alias: 'production', version }, ADA);
    const moved = { name: MODEL, version, stage: 'Production', archive_existing_versions: false };
    const stage = await doors.mlflow('model-versions/transition-stage', moved, ADA);
    expect([alias.status, stage.status]).toEqual([200, 200]);
    await nothingRuns();
  });

  it('by a gate table of somebody without the role, or by one that cannot be evaluated', async () => {
    expect(await activate(VERA, [{ ...RULES[0], when: 'true' }])).toBe('ROLE_REQUIRED');
    expect(await activate(OLGA, [{ ...RULES[0], when: 'has(evidence.review.metrics.x) || true' }])).toBe(
      'POLICY_INVALID',
    );
    expect(await doors.act('classifyUseCase', { useCaseId: 'loans', answers: {} }, OLGA)).toBe('ValidationError');
  });
});

describe('a command over NATS gets nothing into production', () => {
  const rolloutId = uuidv7();
  const gate = () => ({
    gateId: uuidv7(),
    rolloutId,
    endpoint: ENDPOINT,
    environment: 'production',
    subject: subjectOf(good),
    outcome: 'PASS',
    policy: { policyId: 'production-low', version: 2, digest: good.manifestDigest },
    at: new Date().toISOString(),
    restsOn: [
      { stream: `default/governance/subject/${good.manifestDigest.slice(7)}`, version: '1' },
      { stream: 'default/governance/policy/production-low', version: '2' },
    ],
  });
  const start = (forgery: Forgery) =>
    doors.command('deployment', 'StartRollout', { rolloutId, endpoint: ENDPOINT, gate: gate() }, forgery);
  const service = (id: string) => ({ id, kind: 'service' as const, roles: ['admin'] });

  it('without, with a forged or with another assertion', async () => {
    pause('governance');
    try {
      const { modelName, version } = good;
      const steps = [{ weightBps: 10_000, minRows: 0, minDurationMs: 0 }];
      const input = { clientMutationId: rolloutId, endpoint: ENDPOINT, modelName, version, strategy: { steps } };
      expect(await doors.act('requestRollout', input, OTTO)).toBe('accepted');
      await ensureKeyPair(doors.keysDir, 'mallory');
      const payload = Buffer.from('{}');
      const actor = service('service:deployment');
      const old = { issuer: 'gateway', actor, workspace: 'default', commandId: uuidv7(), payload };
      const replayed = await signAssertion(await loadPrivateKey(doors.keysDir, 'gateway'), old);
      const { privateKey } = generateKeyPairSync('ed25519');
      for (const forgery of [
        { assertion: '' },
        { assertion: 'eyJhbGciOiJub25lIn0.e30.' },
        { assertion: replayed },
        { assertion: await signAssertion(privateKey, old) },
        { issuer: 'mallory' },
        { issuer: 'serving', actor: service('service:serving') },
        { issuer: 'monitoring', actor: service('service:monitoring') },
        { issuer: 'deployment', actor },
        { actor },
        { assertedId: uuidv7() },
        { tamper: (text: string) => text.replace('"PASS"', '"PASS" ') },
      ] satisfies Forgery[]) {
        expect(await start(forgery)).toMatchObject({ outcome: 'failed', code: 'UNAUTHENTICATED' });
      }
      await nothingRuns();
    } finally {
      goOn('governance');
    }
    await doors.rollout(rolloutId, 'REFUSED');
  });

  it('in the name of a person of any role, also with the key of the gateway', async () => {
    const subject = subjectOf(good);
    const context = { useCase: { useCaseId: 'loans', tier: 'LOW', suspended: false }, policy: null, restsOn: [] };
    const evidence = [{ evidenceId: uuidv7(), type: 'evaluation', metrics: { accuracy: 1 } }];
    const { servable } = await doors
      .events('ModelVersionRegistered')
      .then(([registered]) => registered?.data.artifacts as { servable: object });
    const only = { outcome: 'rejected', code: 'SERVICE_ONLY' };
    for (const [owner, type, data] of [
      ['deployment', 'StartRollout', { rolloutId, endpoint: ENDPOINT, gate: gate() }],
      ['deployment', 'RefuseRollout', { rolloutId, endpoint: ENDPOINT, gateId: uuidv7(), reasons: ['r'] }],
      ['deployment', 'StageVersion', { endpoint: ENDPOINT, version: subject, servable }],
      ['deployment', 'ReportRevisionState', { endpoint: ENDPOINT, revisionId: 'r', state: 'failed', reason: 'r' }],
      ['governance', 'RecordAuthorship', { subject, authors: ['nobody'] }],
      ['governance', 'SettleGate', { rolloutId, subject }],
      ['governance', 'ReevaluateGates', { subject, contexts: { [rolloutId]: context } }],
      ['governance', 'RecheckGates', { causeId: uuidv7(), moved: 'x', subjects: [subject] }],
      [
        'governance',
        'EvaluateGate',
        { rolloutId: uuidv7(), endpoint: ENDPOINT, environment: 'production', subject, requestedBy: 'x', context },
      ],
    ] as const) {
      expect([type, await doors.command(owner, type, data)]).toMatchObject([type, only]);
      const own = { actor: service(`service:${owner}`) };
      const forged = await doors.command(owner, type, data, own);
      expect([type, forged]).toMatchObject([type, { outcome: 'failed', code: 'UNAUTHENTICATED' }]);
    }
    const brought = { subject, evidence, reviewer: null, sourceEventId: null };
    expect(await doors.command('governance', 'RecordEvidence', brought)).toMatchObject({
      code: 'EVIDENCE_IS_MEASURED',
    });
    // The file of one version under the digest of another, which may be approved.
    const [first, second] = (await doors.events('ModelVersionRegistered')).map(({ data }) => data.artifacts);
    const steps = [{ weightBps: 10_000, minRows: 0, minDurationMs: 0 }];
    const plan = { rolloutId: uuidv7(), endpoint: ENDPOINT, version: subject, strategy: { steps } };
    for (const files of [first.files, second.files]) {
      const swapped = { ...plan, servable: second.servable, files };
      expect(await doors.command('deployment', 'RequestRollout', swapped)).toMatchObject({ code: 'DIGEST_MISMATCH' });
    }
    // There is no command that sets a weight or records a decision.
    for (const [owner, type] of [
      ['deployment', 'SetWeight'],
      ['deployment', 'WeightSet'],
      ['governance', 'RecordGate'],
      ['governance', 'GateEvaluated'],
    ] as const) {
      expect(await doors.command(owner, type, gate())).toMatchObject({
        outcome: 'failed',
        code: 'INVALID',
        path: 'type',
      });
    }
    await nothingRuns();
  });
});

describe('a passed gate starts nothing once what it rests on has moved', () => {
  const ines: Visitor = { id: 'ines', roles: ['validator'] };
  const approvedNow = async () => {
    expect(await approve(good, 'validator', ines)).toBe('accepted');
    expect(await approve(good, 'risk-officer', OLGA)).toBe('accepted');
  };

  it('an approval that was revoked', async () => {
    await approvedNow();
    const rolloutId = await betweenGateAndStart(async () => {
      const [approval] = (await doors.events('ApprovalGiven')).filter(
        ({ data }) => data.by === 'ines' && data.subject.manifestDigest === good.manifestDigest,
      );
      const { approvalId } = approval?.data as { approvalId: string };
      const input = { approvalId, subject: subjectOf(good), reason: 'I was too fast' };
      expect(await doors.act('revokeApproval', input, ines)).toBe('accepted');
    });
    const { reasons } = await doors.rollout(rolloutId, 'REFUSED');
    expect(reasons.join()).toContain('valid approvals: olga as risk-officer');
    await nothingRuns();
  });

  it('a policy that was activated anew', async () => {
    expect(await approve(good, 'validator', ines)).toBe('accepted');
    const rolloutId = await betweenGateAndStart(async () => {
      const stricter = { ...RULES[0], ruleId: 'AUDITOR', when: 'validApprovals.exists(a, a.role == "auditor")' };
      expect(await activate(OLGA, [...RULES, stricter])).toBe('accepted');
    });
    await doors.rollout(rolloutId, 'REFUSED');
    expect(await activate(OLGA)).toBe('accepted');
    await nothingRuns();
  });

  it('a use case that one person, whoever, has suspended', async () => {
    const reason = 'complaints';
    const rolloutId = await betweenGateAndStart(async () => {
      expect(await doors.act('suspendUseCase', { useCaseId: 'loans', reason }, ADA)).toBe('accepted');
    });
    // Whichever comes first: the gate that is asked again, or the suspension that follows.
    await doors.rollout(rolloutId, 'REFUSED', 'ABORTED');
    await nothingRuns();
    expect(await doors.act('resumeUseCase', { useCaseId: 'loans', reason }, ADA)).toBe('ROLE_REQUIRED');
    expect(await doors.act('resumeUseCase', { useCaseId: 'loans', reason }, OLGA)).toBe('accepted');
    await eventually(async () => (await doors.events('EndpointResumed')).length > 0);
  });
});

it('starts with its gate, one rollout at a time, and each start has exactly one matching decision before it', async () => {
  pause('governance');
  const rolloutId = await requestRollout(good);
  const steps = [{ weightBps: 10_000, minRows: 0, minDurationMs: 0 }];
  const second = { endpoint: ENDPOINT, modelName: MODEL, version: other.version, strategy: { steps } };
  expect(await doors.act('requestRollout', second, OTTO)).toBe('ROLLOUT_ACTIVE');
  goOn('governance');
  await doors.rollout(rolloutId, 'PROMOTED');
  await eventually(async () => (await doors.serving(ENDPOINT)).answers === 200);
  expect((await doors.serving(ENDPOINT)).routed).toEqual([good.version]);

  const gates = await doors.events('GateEvaluated');
  const starts = await doors.events('RolloutStarted');
  expect(starts).toHaveLength(1);
  for (const { data, position } of starts) {
    const decisions = gates.filter(
      (gate) => gate.data.gateId === data.gate.gateId && BigInt(gate.position) < BigInt(position),
    );
    expect(decisions).toMatchObject([
      {
        actor: 'service:governance',
        data: {
          outcome: 'PASS',
          rolloutId: data.rolloutId,
          endpoint: data.endpoint,
          environment: 'production',
          subject: { manifestDigest: data.version.manifestDigest },
          policy: { policyId: 'production-low' },
        },
      },
    ]);
  }
});
