import type { RecordedEvent } from '@kontor/event-sourcing';
import { describe, expect, it } from 'vitest';
import { slug } from '../values.js';
import { deploymentCommands } from './commands.js';
import { GATE, ROLLOUT, servable, SUBJECT, uuid, version } from './endpoint.fixture.js';
import { deploymentReactions } from './reactions.js';
import { stagingEndpoint } from './staging-endpoint.js';

const react = (type: string, data: unknown) => {
  const event: RecordedEvent = {
    position: 9n,
    eventId: uuid(1),
    streamId: SUBJECT,
    version: 7n,
    type,
    schemaVersion: 1,
    workspace: 'default',
    actor: 'ada',
    commandId: uuid(2),
    recordedAt: '2026-06-01T12:00:00.000000Z',
    data,
    meta: { correlationId: uuid(3), actorKind: 'person' },
  };
  const commands = deploymentReactions.react(event);
  // Whatever a reaction sends must be a valid command, or it would fail where nobody waits for the answer.
  for (const sent of commands) deploymentCommands[sent.type as keyof typeof deploymentCommands].parse(sent.data);
  return commands;
};

const evaluated = {
  gateId: GATE,
  rolloutId: ROLLOUT,
  endpoint: 'credit',
  environment: 'production',
  subject: version(2),
  outcome: 'PASS',
  policy: { policyId: 'production-high', version: 1, digest: version(9).manifestDigest },
  at: '2026-06-01T12:00:00.000Z',
  rules: [
    { id: 'G1', title: 'Approved by two', outcome: 'NEEDS', sentence: '1 of 2 approvals' },
    { id: 'G2', title: 'Accurate', outcome: 'PASS', sentence: '0.8 is at least 0.75' },
  ],
  restsOn: [{ stream: 'default/governance/use-case/credit', version: '3' }],
};
const alert = { endpoint: 'credit', severity: 'critical', sentence: 'age is 12.0 times its reference median' };

describe('the deployment context', () => {
  it('stages a servable version', () => {
    const artifacts = { manifestDigest: version(1).manifestDigest, files: [], servable: servable(1) };
    expect(react('ModelVersionRegistered', { name: 'credit', version: 1, artifacts })).toEqual([
      { type: 'StageVersion', data: { endpoint: 'credit-staging', version: version(1), servable: servable(1) } },
    ]);
    const none = { ...artifacts, servable: null };
    expect(react('ModelVersionRegistered', { name: 'credit', version: 1, artifacts: none })).toEqual([]);
    expect(react('ModelVersionRegistered', { name: 'credit', version: 1, artifacts: null })).toEqual([]);
  });

  it('starts a rollout on a passed gate, with the decision’s own version as a guard', () => {
    expect(react('GateEvaluated', evaluated)).toMatchObject([
      {
        type: 'StartRollout',
        data: {
          rolloutId: ROLLOUT,
          gate: {
            gateId: GATE,
            endpoint: 'credit',
            policy: evaluated.policy,
            at: evaluated.at,
            restsOn: [{ stream: SUBJECT, version: '7' }, ...evaluated.restsOn],
          },
        },
      },
    ]);
  });

  it('refuses a rollout with the sentences of the rules that did not pass', () => {
    expect(react('GateEvaluated', { ...evaluated, outcome: 'NEEDS' })).toEqual([
      {
        type: 'RefuseRollout',
        data: {
          rolloutId: ROLLOUT,
          endpoint: 'credit',
          gateId: GATE,
          reasons: ['G1 Approved by two: 1 of 2 approvals'],
        },
      },
    ]);
    expect(react('GateEvaluated', { ...evaluated, outcome: 'ERROR', rules: [] })).toMatchObject([
      { data: { reasons: ['The gate decision is ERROR.'] } },
    ]);
  });

  it('aborts on a critical alert only', () => {
    expect(react('AlertRaised', alert)).toMatchObject([
      { type: 'AbortRollout', data: { rolloutId: null, reason: `Critical alert: ${alert.sentence}` } },
    ]);
    expect(react('AlertRaised', { ...alert, severity: 'warning' })).toEqual([]);
  });

  it('suspends and resumes the endpoints of a use case in the name of who did it', () => {
    const data = { useCaseId: 'credit', endpoints: ['credit', 'loans'], reason: 'incident', by: 'eve' };
    expect(react('UseCaseSuspended', data).map(({ type }) => type)).toEqual(['SuspendEndpoint', 'SuspendEndpoint']);
    expect(react('UseCaseResumed', data)[1]).toEqual({
      type: 'ResumeEndpoint',
      data: { endpoint: 'loans', reason: 'incident', onBehalfOf: 'eve' },
    });
  });
});

describe('the staging endpoint of a model', () => {
  it('is a slug, whatever the name', () => {
    for (const name of [
      'credit',
      'Credit risk',
      '日本語',
      '-',
      'x'.repeat(256),
      'a'.repeat(55),
      `${'a'.repeat(44)}-b c`,
    ]) {
      expect(slug.safeParse(stagingEndpoint(name)).success, name).toBe(true);
    }
    expect(stagingEndpoint('credit')).toBe('credit-staging');
  });

  it('is not shared by names that differ in case or signs only', () => {
    const names = ['credit-risk', 'Credit-risk', 'credit risk', 'credit_risk', 'credit--risk'];
    expect(new Set(names.map(stagingEndpoint)).size).toBe(names.length);
  });
});
