import { recorded } from '@kontor/event-sourcing/testing';
import { expect, it } from 'vitest';
import { governanceCommands } from './commands.js';
import { defaultPolicies } from './default-policies.js';
import { governanceReactions } from './reactions.js';

const version = { modelName: 'credit', version: 1, manifestDigest: `sha256:${'a'.repeat(64)}` };
const measure = (value: number) => ({ value, n: 9, low: null, high: null, reason: null });
const performance = (value: number) => ({ accuracy: measure(value), logLoss: measure(0.4), rocAuc: measure(0.9) });

it('takes four kinds of evidence from one evaluation, as a valid command', () => {
  const data = {
    evaluationId: '01975b00-0000-7000-8000-000000000001',
    endpoint: 'credit-staging',
    environment: 'staging',
    version,
    dataset: { name: 'd', digest: version.manifestDigest, rows: 500 },
    performance: performance(0.8),
    slices: [],
    fairness: [{ attribute: 'SEX', metric: 'demographicParityDifference', difference: measure(-0.15), groups: [] }],
    golden: { rows: 3, maxDifference: 0 },
    comparedWith: { version, performance: performance(0.75) },
  };
  const [event] = recorded([{ stream: 'default/monitoring/evaluation/e', type: 'EvaluationCompleted', data }]);
  const [command] = event ? governanceReactions.react(event) : [];
  const { evidence } = governanceCommands.RecordEvidence.parse(command?.data);
  expect(evidence.map(({ type }) => type)).toEqual(['evaluation', 'fairness', 'baseline-comparison', 'golden-outputs']);
  expect(evidence[1]?.metrics).toEqual({ demographicParityDifference: 0.15, attributes: 1, undefinedDifferences: 0 });
});

const react = (type: string, stream: string, data: object) => {
  const [event] = recorded([{ stream, type, data }]);
  return event ? governanceReactions.react(event) : [];
};

it('asks the gate of production and leaves staging alone', () => {
  const requested = {
    rolloutId: '01975b00-0000-7000-8000-000000000002',
    endpoint: 'credit',
    version,
    requestedBy: 'rosa',
  };
  const stream = 'default/deployment/endpoint/credit';
  expect(react('RolloutRequested', stream, { ...requested, environment: 'staging' })).toEqual([]);
  expect(react('RolloutRequested', stream, { ...requested, environment: 'production' })).toMatchObject([
    { type: 'EvaluateGate', data: { environment: 'production', context: null } },
  ]);
});

it('looks for passed decisions when a use case or a policy moves, and asks each of them again', () => {
  for (const type of ['RiskTierAssigned', 'UseCaseSuspended', 'UseCaseResumed', 'PolicyActivated']) {
    const [command] = react(type, 'default/governance/use-case/credit', {});
    const { moved, subjects } = governanceCommands.RecheckGates.parse(command?.data);
    expect([moved, subjects]).toEqual(['default/governance/use-case/credit', null]);
  }
  const subjects = [version, { ...version, version: 2, manifestDigest: `sha256:${'b'.repeat(64)}` }];
  const commands = react('GatesRechecked', 'default/governance/recheck/x', { moved: 'm', subjects });
  expect(commands).toEqual(subjects.map((subject) => ({ type: 'ReevaluateGates', data: { subject, contexts: null } })));
});

it.each(['RolloutAborted', 'RolloutRefused'] as const)('looks who waited for a decision after %s', (type) => {
  const stream = 'default/deployment/endpoint/credit';
  const [command] = react(type, stream, {});
  expect(command?.type).toBe('RecheckGates');
  expect(governanceCommands.RecheckGates.parse(command?.data)).toMatchObject({ moved: stream, subjects: null });
});

it('looks again after a pass: its use case may have moved between reading and appending', () => {
  for (const outcome of ['PASS', 'BLOCK']) {
    expect(react('GateEvaluated', 'default/governance/subject/x', { subject: version, outcome })).toEqual([
      { type: 'ReevaluateGates', data: { subject: version, contexts: null } },
    ]);
  }
});

it('puts the default gate tables into force in a workspace that is made', () => {
  const commands = react('WorkspaceCreated', 'default/registry/workspace/team-a', { name: 'team-a' });
  expect(commands).toEqual(defaultPolicies.map((data) => ({ type: 'ActivatePolicy', data, workspace: 'team-a' })));
});
