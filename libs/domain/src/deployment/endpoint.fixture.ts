import type { CommandMetadata } from '@kontor/event-sourcing';
import { metadata } from '@kontor/event-sourcing/testing';
import type { ModelVersionRef, Servable } from '../values.js';
import { manifestDigestOf, type VersionArtifacts } from '../version-artifacts.js';
import type { DeploymentCommand, PassedGate } from './commands.js';
import type { DeploymentEvent, Strategy } from './events.js';
import { emptyMeasurement, latencyBin, type RevisionMeasurement, scoreBin } from './measurement.js';

// What the specs of this context share: three versions of one model on the endpoint `credit`.

type DataOf<Type extends DeploymentCommand['type']> = Extract<DeploymentCommand, { type: Type }>['data'];

export const uuid = (n: number): string => `01975b00-0000-7000-8000-${n.toString().padStart(12, '0')}`;
export const ROLLOUT = uuid(100);
export const GATE = uuid(200);
const subjectOf = ({ manifestDigest }: ModelVersionRef) => `default/governance/subject/${manifestDigest.slice(7)}`;
export const POLICY = 'default/governance/policy/production-high';

const hex = (digit: number): string => `sha256:${String(digit).repeat(64)}`;

export const files = (n: number): VersionArtifacts['files'] => [
  { path: 'model.onnx', sizeBytes: 1000, digest: hex(n + 3) },
];
export const version = (n: number): ModelVersionRef => ({
  modelName: 'credit',
  version: n,
  manifestDigest: manifestDigestOf(files(n)),
});
export const SUBJECT = subjectOf(version(2));
export const servable = (n: number): Servable => ({
  flavor: 'onnx',
  digest: hex(n + 3),
  sizeBytes: 1000,
  goldenDigest: null,
});
export const revisionId = (n: number): string => `v${n}-${version(n).manifestDigest.slice(7, 19)}`;

export const STRATEGY: Strategy = {
  steps: [
    { weightBps: 100, minRows: 100, minDurationMs: 1000 },
    { weightBps: 2500, minRows: 100, minDurationMs: 1000 },
  ],
};

const OWN_SERVICE: Partial<CommandMetadata> = { actor: { id: 'service:deployment', kind: 'service', roles: [] } };
const OPERATOR: Partial<CommandMetadata> = { actor: { id: 'ada', kind: 'person', roles: ['operator'] } };
const SERVING: Partial<CommandMetadata> = { actor: { id: 'service:serving', kind: 'service', roles: [] } };

const OWN = new Set<DeploymentCommand['type']>(['StageVersion', 'StartRollout', 'RefuseRollout', 'RecordAnalysis']);

/** A command from whoever may send it, unless said otherwise. */
export const command = <Type extends DeploymentCommand['type']>(
  type: Type,
  data: DataOf<Type>,
  by: Partial<CommandMetadata> = OWN.has(type) ? OWN_SERVICE : type === 'ReportRevisionState' ? SERVING : OPERATOR,
): DeploymentCommand => ({ type, data, metadata: metadata(by) }) as DeploymentCommand;

export const gate = (overrides: Partial<PassedGate> = {}): PassedGate => ({
  gateId: GATE,
  rolloutId: ROLLOUT,
  endpoint: 'credit',
  environment: 'production',
  subject: version(2),
  outcome: 'PASS',
  policy: { policyId: 'production-high', version: 3, digest: hex(9) },
  at: metadata().now,
  restsOn: [
    { stream: subjectOf(overrides.subject ?? version(2)), version: '7' },
    { stream: POLICY, version: '3' },
  ],
  ...overrides,
});

export const request = (n = 2, rolloutId = ROLLOUT, strategy = STRATEGY): DeploymentCommand =>
  command('RequestRollout', {
    rolloutId,
    endpoint: 'credit',
    version: version(n),
    servable: servable(n),
    files: files(n),
    strategy,
  });

export const start = (overrides: Partial<PassedGate> = {}, versionDeleted = false): DeploymentCommand => {
  const passed = gate(overrides);
  return command('StartRollout', { rolloutId: ROLLOUT, endpoint: 'credit', gate: passed, versionDeleted });
};

export const reportLoaded = (id: string, n: number): DeploymentCommand =>
  command('ReportRevisionState', {
    endpoint: 'credit',
    revisionId: id,
    state: 'loaded',
    digest: servable(n).digest,
    goldenRows: 0,
    goldenMaxDifference: null,
    loadMs: 12,
  });

export const reportFailed = (id: string): DeploymentCommand =>
  command('ReportRevisionState', {
    endpoint: 'credit',
    revisionId: id,
    state: 'failed',
    reason: 'protobuf parsing failed',
  });

/** So many requests of one row each: score 0.3, 2 ms. */
export const traffic = (requests: number, change: Partial<RevisionMeasurement> = {}): RevisionMeasurement => {
  const measured = emptyMeasurement();
  measured.latencyCounts[latencyBin(2)] = requests;
  measured.scoreCounts[scoreBin(0.3)] = requests;
  return { ...measured, requests, rows: requests, ...change };
};

export const analysis = (
  step: number,
  canary: RevisionMeasurement,
  stable: RevisionMeasurement | null,
  elapsedMs = 1000,
): DeploymentCommand =>
  command('RecordAnalysis', { rolloutId: ROLLOUT, endpoint: 'credit', step, elapsedMs, canary, stable });

// Events, in the order in which a life has them.

export const created = (environment: 'staging' | 'production' = 'production'): DeploymentEvent => ({
  type: 'EndpointCreated',
  data: { endpoint: 'credit', environment, description: '' },
});
export const added = (n: number, id = revisionId(n)): DeploymentEvent => ({
  type: 'RevisionAdded',
  data: { endpoint: 'credit', revisionId: id, version: version(n), servable: servable(n) },
});
export const loaded = (n: number, id = revisionId(n)): DeploymentEvent => ({
  type: 'RevisionLoaded',
  data: {
    endpoint: 'credit',
    revisionId: id,
    digest: servable(n).digest,
    goldenRows: 0,
    goldenMaxDifference: null,
    loadMs: 12,
  },
});
export const requested = (n: number, rolloutId = ROLLOUT, strategy = STRATEGY): DeploymentEvent => ({
  type: 'RolloutRequested',
  data: {
    rolloutId,
    endpoint: 'credit',
    environment: 'production',
    revisionId: revisionId(n),
    version: version(n),
    servable: servable(n),
    strategy,
    requestedBy: 'ada',
  },
});
export const started = (n: number, rolloutId = ROLLOUT): DeploymentEvent => ({
  type: 'RolloutStarted',
  data: {
    rolloutId,
    endpoint: 'credit',
    version: version(n),
    gate: { gateId: GATE, restsOn: gate().restsOn },
  },
});
export const weightSet = (
  routeVersion: number,
  shares: Readonly<Record<string, number>>,
  at: { readonly rolloutId: string | null; readonly step: number | null } = { rolloutId: null, step: null },
): DeploymentEvent => ({
  type: 'WeightSet',
  data: {
    endpoint: 'credit',
    ...at,
    routeVersion,
    weights: Object.entries(shares).map(([id, weightBps]) => ({ revisionId: id, weightBps })),
  },
});
export const promotedEvent = (n: number, rolloutId = ROLLOUT): DeploymentEvent => ({
  type: 'RolloutPromoted',
  data: { rolloutId, endpoint: 'credit', revisionId: revisionId(n), version: version(n) },
});
export const abortedEvent = (reason: string, by: string | null): DeploymentEvent => ({
  type: 'RolloutAborted',
  data: { rolloutId: ROLLOUT, endpoint: 'credit', reason, by },
});

/** Version 1 was rolled out first and has all the traffic. */
export const live: readonly DeploymentEvent[] = [
  created(),
  requested(1, uuid(1)),
  started(1, uuid(1)),
  added(1),
  loaded(1),
  weightSet(1, { [revisionId(1)]: 10_000 }, { rolloutId: uuid(1), step: 0 }),
  promotedEvent(1, uuid(1)),
];

/** Version 2 is a canary beside it with 1 %. */
export const canary: readonly DeploymentEvent[] = [
  ...live,
  requested(2),
  started(2),
  added(2),
  loaded(2),
  weightSet(2, { [revisionId(2)]: 100, [revisionId(1)]: 9900 }, { rolloutId: ROLLOUT, step: 0 }),
];
