import type { GovernanceEvent } from '@kontor/domain/governance';
import { projectionSpec, recorded } from '@kontor/event-sourcing/testing';
import { describe, it } from 'vitest';
import { erasures } from './erasures.projection.js';
import { gateDecisions } from './gate-decisions.projection.js';
import { incidents } from './incidents.projection.js';
import { policies } from './policies.projection.js';
import { subjects } from './subjects.projection.js';
import { useCases } from './use-cases.projection.js';

const manifestDigest = `sha256:${'a'.repeat(64)}`;
const subject = { modelName: 'credit', version: 1, manifestDigest };
const subjectStream = `default/governance/subject/${'a'.repeat(64)}`;
const id = (number: number) => `01975b00-0000-7000-8000-${String(number).padStart(12, '0')}`;
const time = (second: number) => `2026-06-01T12:00:${String(second).padStart(2, '0')}.000000Z`;

describe('use cases', () => {
  const stream = 'default/governance/use-case/credit';
  const useCase = {
    useCaseId: 'credit',
    name: 'Consumer credit',
    purpose: 'Says how likely a loan is paid back.',
    owner: 'ada',
    endpoints: ['credit'],
    modelNames: ['credit'],
  };
  const classified = {
    useCaseId: 'credit',
    tier: 'HIGH' as const,
    scorecard: 'tiers@1',
    answers: { people: 5, domains: ['credit'] },
    score: 9,
    legalFloor: { tier: 'HIGH' as const, triggers: ['credit'] },
    by: 'ruth',
  };
  const suspended = { useCaseId: 'credit', endpoints: ['credit'], reason: 'Complaints.', by: 'ruth' };
  const events = recorded<GovernanceEvent>([
    { stream, type: 'UseCaseRegistered', data: useCase },
    { stream, type: 'RiskTierAssigned', data: classified },
    { stream, type: 'UseCaseSuspended', data: suspended },
    { stream, type: 'UseCaseResumed', data: { ...suspended, reason: 'Answered.' } },
  ]);
  const { useCaseId: _, ...classification } = classified;
  const row = { ...useCase, registeredAt: time(0), tier: 'HIGH' as const, suspension: null };

  it('begin unclassified, and get a tier with the answers that gave it', () => {
    projectionSpec(useCases)
      .given(events.slice(0, 1))
      .thenRows({ 'default/credit': { ...row, tier: 'UNCLASSIFIED', classification: null } });
    projectionSpec(useCases)
      .given(events)
      .thenRows({ 'default/credit': { ...row, classification: { ...classification, at: time(1) } } });
  });

  it('say who suspended one and why', () => {
    projectionSpec(useCases)
      .given(events.slice(0, 3))
      .thenRows({
        'default/credit': {
          ...row,
          classification: { ...classification, at: time(1) },
          suspension: { reason: 'Complaints.', by: 'ruth', at: time(2) },
        },
      });
  });
});

describe('policies', () => {
  it('are the version that was activated last', () => {
    const stream = 'default/governance/policy/high';
    const rule = {
      id: 'M-1',
      title: 'Measured',
      measure: 'Article 15',
      requires: ['evaluation'],
      when: 'evaluation.auc > 0.7',
      advice: 'Evaluate it.',
    };
    const activated = (version: number) => ({
      policyId: 'high',
      version,
      environment: 'production' as const,
      tiers: ['HIGH' as const],
      rules: [{ ...rule, when: `evaluation.auc > 0.${6 + version}` }],
      digest: `sha256:${String(version).repeat(64)}`,
      by: 'ruth',
    });
    projectionSpec(policies)
      .given(
        recorded<GovernanceEvent>([
          { stream, type: 'PolicyActivated', data: activated(1) },
          { stream, type: 'PolicyActivated', data: activated(2) },
        ]),
      )
      .thenRows({ 'default/high': { ...activated(2), activatedAt: time(1) } });
  });
});

describe('subjects', () => {
  const approval = {
    approvalId: id(1),
    environment: 'production' as const,
    by: 'grace',
    role: 'approver',
    meaning: 'APPROVED' as const,
    comment: 'Read the report.',
    expiresAt: '2026-12-01T00:00:00Z',
  };
  const rejection = { ...approval, approvalId: id(2), by: 'ruth', meaning: 'REJECTED' as const };
  const refusal = {
    environment: 'production' as const,
    by: 'ada',
    reason: 'SELF_APPROVAL' as const,
    sentence: 'ada registered these bytes.',
  };
  const evidence = {
    evidenceId: id(3),
    type: 'evaluation' as const,
    metrics: { rocAuc: 0.84 },
    author: 'service:governance',
    reviewer: null,
    sourceEventId: id(4),
    createdAt: '2026-06-01T12:00:00Z',
  };

  it('hold authors, evidence, approvals and those who may not approve, for one artifact', () => {
    const events = recorded<GovernanceEvent>([
      { stream: subjectStream, type: 'AuthorshipRecorded', data: { subject, authors: ['ada', 'bob'] } },
      { stream: subjectStream, type: 'AuthorshipRecorded', data: { subject, authors: ['bob', 'cid'] } },
      { stream: subjectStream, type: 'EvidenceRecorded', data: { subject, ...evidence } },
      { stream: subjectStream, type: 'ApprovalRefused', data: { subject, ...refusal } },
      { stream: subjectStream, type: 'ApprovalGiven', data: { subject, ...approval } },
      { stream: subjectStream, type: 'ApprovalGiven', data: { subject, ...rejection } },
      {
        stream: subjectStream,
        type: 'ApprovalRevoked',
        data: { subject, approvalId: id(1), by: 'grace', reason: 'Read again.' },
      },
    ]);
    projectionSpec(subjects)
      .given(events)
      .thenRows({
        [`default/${encodeURIComponent(manifestDigest)}`]: {
          manifestDigest,
          version: subject,
          authors: ['ada', 'bob', 'cid'],
          evidence: [evidence],
          approvals: [
            { ...approval, at: time(4), revocation: { by: 'grace', reason: 'Read again.', at: time(6) } },
            { ...rejection, at: time(5), revocation: null },
          ],
          refusedApprovals: [{ ...refusal, at: time(3) }],
        },
      });
  });

  it('begin with whatever comes first', () => {
    projectionSpec(subjects)
      .given(
        recorded<GovernanceEvent>([{ stream: subjectStream, type: 'ApprovalRefused', data: { subject, ...refusal } }]),
      )
      .thenRows({
        [`default/${encodeURIComponent(manifestDigest)}`]: {
          manifestDigest,
          version: subject,
          authors: [],
          evidence: [],
          approvals: [],
          refusedApprovals: [{ ...refusal, at: time(0) }],
        },
      });
  });
});

describe('gate decisions', () => {
  it('stand as they were made, beside later ones about the same artifact', () => {
    const decision = (number: number, outcome: 'NEEDS' | 'PASS') => ({
      gateId: id(number),
      rolloutId: id(9),
      endpoint: 'credit',
      environment: 'production' as const,
      subject,
      useCaseId: 'credit',
      tier: 'HIGH' as const,
      policy: { policyId: 'high', version: 1, digest: `sha256:${'1'.repeat(64)}` },
      factsDigest: `sha256:${'2'.repeat(64)}`,
      facts: { approvals: number },
      at: '2026-06-01T12:00:00Z',
      outcome,
      rules: [{ id: 'H-2', title: 'Approved by a second person', outcome, sentence: 'Counted approvals.' }],
      restsOn: [{ stream: 'default/governance/use-case/credit', version: '2' }],
    });
    const settled = { gateId: id(6), rolloutId: id(9), subject };
    projectionSpec(gateDecisions)
      .given(
        recorded<GovernanceEvent>([
          { stream: subjectStream, type: 'GateEvaluated', data: decision(5, 'NEEDS') },
          { stream: subjectStream, type: 'GateEvaluated', data: decision(6, 'PASS') },
          { stream: subjectStream, type: 'GateSettled', data: settled },
        ]),
      )
      .thenRows({
        [`default/${id(5)}`]: { ...decision(5, 'NEEDS'), manifestDigest, position: '1' },
        [`default/${id(6)}`]: { ...decision(6, 'PASS'), manifestDigest, position: '2' },
      });
  });
});

describe('incidents', () => {
  it('name the use case, the endpoint and the alert that opened them', () => {
    const incident = {
      incidentId: id(7),
      useCaseId: 'credit',
      endpoint: 'credit',
      severity: 'critical' as const,
      reason: 'Drift in age.',
      alertId: id(8),
    };
    projectionSpec(incidents)
      .given(
        recorded<GovernanceEvent>([
          { stream: `default/governance/incident/${id(7)}`, type: 'IncidentOpened', data: incident },
        ]),
      )
      .thenRows({ [`default/${id(7)}`]: { ...incident, openedAt: time(0) } });
  });
});

describe('erasures', () => {
  it('show of each person the last one', () => {
    const erased = { subjectId: 'p/1', keyVersion: 1, ground: 'OBJECTION' as const, by: 'dora' };
    const again = { ...erased, keyVersion: 2, ground: 'UNLAWFUL_PROCESSING' as const };
    const stream = 'default/governance/person/p%2F1';
    projectionSpec(erasures)
      .given(
        recorded<GovernanceEvent>([
          { stream, type: 'SubjectErased', data: erased },
          { stream, type: 'SubjectErased', data: again },
        ]),
      )
      .thenRows({ 'default/p%2F1': { ...again, erasedAt: time(1) } });
  });
});
