import type { ReactionCommand, Reactions, Recorded } from '@kontor/event-sourcing';
import type { z } from 'zod';
import type { DeploymentEvent } from '../deployment/events.js';
import type { MonitoringEvent } from '../monitoring/events.js';
import type { RegistryEvent } from '../registry/events.js';
import type { governanceCommands } from './commands.js';
import { defaultPolicies } from './default-policies.js';
import type { GovernanceEvent } from './events.js';
import { derivedUuid } from '../digest.js';

type Known = DeploymentEvent | GovernanceEvent | MonitoringEvent | RegistryEvent;
type Schemas = typeof governanceCommands;
type Evaluation = Extract<MonitoringEvent, { type: 'EvaluationCompleted' }>['data'];
type Evidence = z.input<Schemas['RecordEvidence']>['evidence'][number];

const command = <Type extends keyof Schemas & string>(type: Type, data: z.input<Schemas[Type]>): ReactionCommand => ({
  type,
  data,
});

/** Only what is defined becomes a metric: an absent one is a missing fact, and a rule that needs it says so. */
const defined = (values: Readonly<Record<string, number | null | undefined>>): Record<string, number> =>
  Object.fromEntries(Object.entries(values).filter((entry): entry is [string, number] => typeof entry[1] === 'number'));

/** The evidence in an evaluation: performance, the worst difference per fairness metric, a comparison, golden outputs. */
const evidenceOf = (evaluation: Evaluation): Evidence[] => {
  const { evaluationId, performance, dataset, fairness, golden, comparedWith } = evaluation;
  const evidence = (type: Evidence['type'], metrics: Record<string, number>): Evidence => ({
    evidenceId: derivedUuid(`evidence ${evaluationId} ${type}`),
    type,
    metrics,
  });
  const measured = {
    accuracy: performance.accuracy.value,
    logLoss: performance.logLoss.value,
    rocAuc: performance.rocAuc.value,
  };
  const found = [evidence('evaluation', defined({ ...measured, rows: dataset.rows }))];
  if (fairness.length > 0) {
    const worst: Record<string, number> = {};
    let undefinedDifferences = 0;
    for (const { metric, difference } of fairness) {
      if (difference.value === null) undefinedDifferences += 1;
      else worst[metric] = Math.max(worst[metric] ?? 0, Math.abs(difference.value));
    }
    const attributes = new Set(fairness.map(({ attribute }) => attribute)).size;
    found.push(evidence('fairness', { ...worst, attributes, undefinedDifferences }));
  }
  if (comparedWith) {
    const baseline = comparedWith.performance;
    const minus = (a: number | null, b: number | null) => (a === null || b === null ? null : a - b);
    const differences = {
      accuracyGain: minus(measured.accuracy, baseline.accuracy.value),
      logLossGain: minus(baseline.logLoss.value, measured.logLoss),
      rocAucGain: minus(measured.rocAuc, baseline.rocAuc.value),
    };
    found.push(evidence('baseline-comparison', defined(differences)));
  }
  if (golden.rows > 0) {
    found.push(evidence('golden-outputs', defined({ rows: golden.rows, maxDifference: golden.maxDifference })));
  }
  return found;
};

const react = (event: Recorded<Known>): readonly ReactionCommand[] => {
  switch (event.type) {
    case 'ModelVersionRegistered': {
      const { name, version, artifacts, registeredBy, trainedBy } = event.data;
      if (artifacts === null) return [];
      const subject = { modelName: name, version, manifestDigest: artifacts.manifestDigest };
      const authors = trainedBy === null ? [registeredBy] : [registeredBy, trainedBy];
      return [command('RecordAuthorship', { subject, authors: [...new Set(authors)] })];
    }
    case 'EvaluationCompleted': {
      const { version: subject } = event.data;
      const evidence = evidenceOf(event.data);
      return [command('RecordEvidence', { subject, evidence, reviewer: null, sourceEventId: event.eventId })];
    }
    case 'RolloutRequested': {
      // Staging is where evidence comes from: nothing of it is gated.
      if (event.data.environment === 'staging') return [];
      const { rolloutId, endpoint, environment, version: subject, requestedBy } = event.data;
      return [command('EvaluateGate', { rolloutId, endpoint, environment, subject, requestedBy, context: null })];
    }
    case 'RolloutStarted': {
      const { rolloutId, version: subject } = event.data;
      return [command('SettleGate', { rolloutId, subject })];
    }
    // An aborted rollout too, and one that was refused although its decision had passed, an hour too late: the decision may be
    // open, and others about the same artifact wait for that.
    case 'RiskTierAssigned':
    case 'UseCaseSuspended':
    case 'UseCaseResumed':
    case 'PolicyActivated':
    case 'RolloutAborted':
    case 'RolloutRefused':
      return [command('RecheckGates', { causeId: event.eventId, moved: event.streamId, subjects: null })];
    case 'GatesRechecked':
      return event.data.subjects.map((subject) => command('ReevaluateGates', { subject, contexts: null }));
    // A decision that did not pass ends its rollout, and another one on this stream may have to be decided again. One that
    // passed may rest on a use case or policy that moved after it was read and before the decision was appended.
    case 'GateEvaluated':
    case 'AuthorshipRecorded':
    case 'EvidenceRecorded':
    case 'ApprovalGiven':
    case 'ApprovalRefused':
    case 'ApprovalRevoked':
    case 'GateSettled':
      return [command('ReevaluateGates', { subject: event.data.subject, contexts: null })];
    case 'WorkspaceCreated':
      return defaultPolicies.map((table) => ({ ...command('ActivatePolicy', table), workspace: event.data.name }));
    case 'AlertRaised': {
      const { alertId, severity, endpoint, sentence } = event.data;
      if (severity !== 'critical') return [];
      const incidentId = derivedUuid(`incident ${alertId}`);
      const reason = `Critical alert on ${endpoint}: ${sentence}`.slice(0, 5000);
      return [command('OpenIncident', { incidentId, useCaseId: null, endpoint, severity, reason, alertId })];
    }
    default:
      return [];
  }
};

/** What the governance context does about what happened elsewhere, and about changed facts of its own. */
export const governanceReactions: Reactions = {
  canHandle: [
    'ModelVersionRegistered',
    'EvaluationCompleted',
    'RolloutRequested',
    'RolloutStarted',
    'RolloutAborted',
    'RolloutRefused',
    'AlertRaised',
    'WorkspaceCreated',
    'GateEvaluated',
    'AuthorshipRecorded',
    'EvidenceRecorded',
    'ApprovalGiven',
    'ApprovalRefused',
    'ApprovalRevoked',
    'GateSettled',
    'RiskTierAssigned',
    'UseCaseSuspended',
    'UseCaseResumed',
    'PolicyActivated',
    'GatesRechecked',
  ],
  // Only the types of `canHandle` are delivered, so the event is one of the known ones.
  react: (event) => react(event as Recorded<Known>),
};
