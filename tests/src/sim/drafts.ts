import {
  type deploymentCommands,
  emptyMeasurement,
  latencyBin,
  type RevisionMeasurement,
  scoreBin,
} from '@kontor/domain/deployment';
import { defaultPolicies, type governanceCommands } from '@kontor/domain/governance';
import type { monitoringCommands } from '@kontor/domain/monitoring';
import { manifestDigestOf, type registryCommands, type VersionArtifacts } from '@kontor/domain/registry';
import type { CommandSchemas } from '@kontor/event-sourcing';
import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import type { DataOf, Known } from './known.js';

// One draft per command type, sensible or foolish. Names come from small sets, so that commands meet: a name is taken, a
// thing exists or does not, a measurement is of a step that is over. What cannot be guessed comes from the newest events.

/** The data of a command; undefined if nothing is there yet that it could be about. */
export type Drafts<Schemas extends CommandSchemas> = {
  readonly [Type in keyof Schemas]: (known: Known) => z.input<Schemas[Type]> | undefined;
};

export const PERSONS = ['ada', 'bob', 'cleo', 'olga', 'root'];
const NAMES = ['credit', 'fraud', 'churn'];
const KEYS = ['team', 'stage'];
const ENDPOINTS = ['credit', 'fraud'];
const REASON = 'because';

const hex = (n: number, digits: number): string => n.toString(16).padStart(digits, '0');
export const digestOf = (n: number): string => `sha256:${hex(n, 64)}`;

/** One that exists, or now and then one that may not. */
const experimentId = (k: Known): string => k.among(['1', '2', '3'], k.recent('ExperimentCreated')?.experimentId);
const runId = (k: Known): string => k.among(['r1', 'r2', 'r3'], k.recent('RunStarted')?.runId);
const loggedModelId = (k: Known): string =>
  k.among([`m-${hex(1, 32)}`, `m-${hex(2, 32)}`], k.recent('LoggedModelCreated')?.loggedModelId);
const traceId = (k: Known): string => k.among(['tr-1', 'tr-2', 'tr-3'], k.recent('TraceLogged')?.traceId);
const place = (k: Known) => {
  const id = traceId(k);
  return { traceId: id, experimentId: experimentId(k), artifactUri: `mlflow-artifacts:/1/traces/${id}/artifacts` };
};
const said = (k: Known) => ({
  requestTimeMs: k.of(1, 2),
  requestPreview: k.of('why?', null),
  responsePreview: null,
  metadata: [],
  tags: [tag(k)],
});
const assessmentId = (k: Known): string => k.of('a-1', 'a-2', 'a-3');
const modelId = (k: Known): string =>
  k.among([hex(1, 32), hex(2, 32), hex(3, 32)], k.recent('RegisteredModelCreated')?.modelId);
const name = (k: Known): string => k.of(...NAMES);
const importId = (k: Known): string => k.of('0', '1').repeat(8) + '-0000-8000-8000-000000000000';
const workspace = (k: Known): string => k.of('team-a', 'team-b', 'default');
const tag = (k: Known) => ({ key: k.of(...KEYS), value: k.of('a', 'b') });
const version = (k: Known): number => k.of(1, 2, 3);
const path = (k: Known): string => k.of('model/a', 'model/b', 'log');
const file = (k: Known) => ({ path: path(k), digest: digestOf(k.of(1, 2)), sizeBytes: 9 });
const registeredAs = (k: Known) => ({ modelName: name(k), version: version(k) });
const uuidOf = (n: number): string => `${hex(n, 8)}-0000-7000-8000-${hex(n, 12)}`;
const webhookId = (k: Known): string =>
  k.among([uuidOf(1), uuidOf(2), uuidOf(3)], k.recent('WebhookCreated')?.webhookId);
const datasetId = (k: Known): string =>
  k.among([`d-${hex(1, 32)}`, `d-${hex(2, 32)}`], k.recent('EvaluationDatasetCreated')?.datasetId);
const recordId = (k: Known): string => `dr-${hex(k.of(1, 2, 3), 32)}`;
const datasetRecord = (k: Known) => ({
  ...{ recordId: recordId(k), inputs: '{}', expectations: k.of(null, [tag(k)]), tags: [tag(k)], source: null },
  ...(k.maybe(0.5) && { outputs: k.of('"a"', '"b"', null) }),
});
const webhookSettings = (k: Known) => ({
  ...{ name: name(k), url: k.of('https://a.example/', 'https://b.example/'), description: '' },
  events: k.of(['model_version.created' as const], ['prompt.created' as const, 'model_version_alias.created' as const]),
  ...{ status: k.of('ACTIVE' as const, 'DISABLED' as const), secretVersion: k.of(1, 2, null) },
});
const served = (k: Known) => (k.maybe(0.2) ? [{ endpoint: 'credit', modelName: name(k), version: version(k) }] : []);
const alias = (k: Known): string => k.of('champion', 'challenger');
/** Rare, so that other commands still meet often enough. */
const rarely = (k: Known): boolean => k.maybe(0.2);
/** Undoes the newest event of a type, on the stream that it stands on. */
const undoing = <Type extends Parameters<Known['recent']>[0]>(k: Known, type: Type) => {
  const data = rarely(k) ? k.recent(type) : undefined;
  return data && { data, undone: { position: '1', events: [{ type, data }] } };
};
const keptBy = (k: Known) =>
  k.maybe(0.1) ? [{ modelName: name(k), version: version(k), endpoints: ['credit'], aliases: [] }] : [];

/** What a version is made of: files that a run or logged model has, or had. */
const ownFiles = (k: Known) => {
  const filesOf = k.maybe(0.5)
    ? { aggregate: 'run' as const, runId: runId(k), path: 'model' }
    : { aggregate: 'logged-model' as const, loggedModelId: loggedModelId(k), path: 'model' };
  const { path: folder, ...owner } = filesOf;
  const stored = k.all('ArtifactStored').filter((data) => isDeepStrictEqual(data.owner, owner));
  const newest = new Map(stored.map(({ path, digest, sizeBytes }) => [path, { digest, sizeBytes }]));
  const files = [...newest].flatMap(([path, file]) =>
    path.startsWith(`${folder}/`) ? [{ path: path.slice(folder.length + 1), ...file }] : [],
  );
  const artifacts = files.length === 0 ? null : { manifestDigest: manifestDigestOf(files), files, servable: null };
  return { filesOf, artifacts };
};
const deletedVersions = (k: Known) => {
  const deleted = k.recent('ModelVersionDeleted');
  return deleted && k.maybe(0.5) ? [{ modelId: deleted.modelId, version: deleted.version }] : [];
};

const artifacts = (k: Known): VersionArtifacts => {
  const n = k.of(11, 12, 13, 14);
  const golden = n % 2 === 0 ? [{ path: 'golden.json', sizeBytes: 10, digest: digestOf(n + 100) }] : [];
  const files = [{ path: 'model.onnx', sizeBytes: 1000, digest: digestOf(n) }, ...golden];
  const goldenDigest = golden[0]?.digest ?? null;
  const servable = { flavor: 'onnx' as const, digest: digestOf(k.maybe(0.03) ? 1 : n), sizeBytes: 1000, goldenDigest };
  return { manifestDigest: manifestDigestOf(files), files, servable: k.maybe(0.05) ? null : servable };
};

export const registryDrafts: Drafts<typeof registryCommands> = {
  CreateExperiment: (k) => ({
    experimentId: experimentId(k),
    name: name(k),
    artifactLocation: 'mlflow-artifacts:/1',
    tags: [tag(k)],
  }),
  RenameExperiment: (k) => ({ experimentId: experimentId(k), name: name(k), previousName: name(k) }),
  DeleteExperiment: (k) => ({ experimentId: experimentId(k), keptBy: keptBy(k) }),
  RestoreExperiment: (k) => ({ experimentId: experimentId(k) }),
  SetExperimentTag: (k) => ({ experimentId: experimentId(k), ...tag(k) }),
  RemoveExperimentTag: (k) => ({ experimentId: experimentId(k), key: k.of(...KEYS) }),
  UndoExperiment: (k) => {
    const last = undoing(k, 'ExperimentDeleted');
    return last && { experimentId: last.data.experimentId, ...last.undone };
  },

  StartRun: (k) => ({
    ...{ runId: runId(k), experimentId: experimentId(k), name: name(k), userId: 'ada', startTimeMs: 0 },
    ...{ artifactUri: 'mlflow-artifacts:/1/r/artifacts', tags: [tag(k)] },
  }),
  UpdateRun: (k) => ({
    runId: runId(k),
    status: k.of('RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', null),
    endTimeMs: k.of(1, 2, null),
    name: k.of(...NAMES, null),
  }),
  LogRunData: (k) => ({
    runId: runId(k),
    metrics: [
      {
        ...{ key: 'loss', value: k.of(0.1, 0.2), isNaN: false, timestampMs: k.of(1, 2), step: 0 },
        ...{ loggedModelId: null, datasetName: null, datasetDigest: null },
      },
    ],
    params: k.maybe(0.3) ? [tag(k)] : [],
    tags: [tag(k)],
  }),
  LogRunModel: (k) => ({ runId: runId(k), model: '{}' }),
  RemoveRunTag: (k) => ({ runId: runId(k), key: k.of(...KEYS) }),
  LogRunInputs: (k) => ({
    runId: runId(k),
    datasets: [{ name: name(k), digest: 'd', sourceType: 's', source: 's', schema: null, profile: null, tags: [] }],
    loggedModelIds: [loggedModelId(k)],
  }),
  LogRunOutputs: (k) => ({ runId: runId(k), models: [{ loggedModelId: loggedModelId(k), step: k.of(0, 1) }] }),
  DeleteRun: (k) => ({ runId: runId(k), keptBy: keptBy(k) }),
  UndoRun: (k) => {
    const last = undoing(k, 'RunRenamed');
    return last && { runId: last.data.runId, ...last.undone };
  },
  RestoreRun: (k) => ({ runId: runId(k) }),
  RecordRunArtifact: (k) => ({ runId: runId(k), ...file(k), deletedVersions: deletedVersions(k) }),
  RemoveRunArtifacts: (k) => ({ runId: runId(k), path: k.of('model', path(k)), deletedVersions: deletedVersions(k) }),
  RefuseRunArtifactWrite: (k) => ({ runId: runId(k), path: path(k), registeredAs: registeredAs(k) }),

  CreateLoggedModel: (k) => ({
    ...{ loggedModelId: loggedModelId(k), experimentId: experimentId(k), name: name(k), modelType: '' },
    ...{ sourceRunId: runId(k), artifactUri: 'mlflow-artifacts:/1/models/m/artifacts', params: [tag(k)], tags: [] },
  }),
  FinalizeLoggedModel: (k) => ({
    loggedModelId: loggedModelId(k),
    status: k.of('READY', 'UPLOAD_FAILED'),
    manifestDigest: k.of(digestOf(1), null),
  }),
  LogLoggedModelParams: (k) => ({ loggedModelId: loggedModelId(k), params: [tag(k)] }),
  SetLoggedModelTags: (k) => ({ loggedModelId: loggedModelId(k), tags: [tag(k), tag(k)] }),
  RemoveLoggedModelTag: (k) => ({ loggedModelId: loggedModelId(k), key: k.of(...KEYS) }),
  DeleteLoggedModel: (k) => ({ loggedModelId: loggedModelId(k), keptBy: keptBy(k) }),
  UndoLoggedModel: (k) => {
    const last = undoing(k, 'LoggedModelDeleted');
    return last && { loggedModelId: last.data.loggedModelId, ...last.undone };
  },
  RecordLoggedModelArtifact: (k) => ({
    loggedModelId: loggedModelId(k),
    ...file(k),
    deletedVersions: deletedVersions(k),
  }),
  RemoveLoggedModelArtifacts: (k) => ({
    loggedModelId: loggedModelId(k),
    path: k.of('model', path(k)),
    deletedVersions: deletedVersions(k),
  }),
  RefuseLoggedModelArtifactWrite: (k) => ({
    loggedModelId: loggedModelId(k),
    path: path(k),
    registeredAs: registeredAs(k),
  }),

  LogTrace: (k) => ({
    ...{ ...place(k), ...said(k), isComplete: k.maybe(0.8), executionDurationMs: k.of(1, 2, null) },
    ...{ state: k.of('OK', 'IN_PROGRESS'), clientRequestId: null, assessments: [] },
  }),
  EndTrace: (k) => ({ traceId: traceId(k), endTimeMs: 3, state: k.of('OK', 'ERROR'), metadata: [], tags: [tag(k)] }),
  LogSpans: (k) => {
    const n = k.of(1, 2, 3);
    const span = { spanId: hex(n, 16), parentSpanId: null, name: name(k), type: 'CHAIN', status: 'OK' as const };
    return {
      ...{ ...place(k), ...said(k), content: { digest: digestOf(n), sizeBytes: 9 } },
      ...{ spans: [{ ...span, startTimeUnixNano: '1' }], endTimeMs: k.of(3, null), state: k.of('OK', null) },
    };
  },
  SetTraceTag: (k) => ({ traceId: traceId(k), ...tag(k) }),
  RemoveTraceTag: (k) => ({ traceId: traceId(k), key: k.of(...KEYS) }),
  LinkTraceToRun: (k) => ({ traceId: traceId(k), runId: runId(k) }),
  LinkTraceToPrompts: (k) => ({ traceId: traceId(k), prompts: [{ name: name(k), version: k.of('1', '2') }] }),
  DeleteTrace: (k) => (rarely(k) ? { traceId: traceId(k) } : undefined),
  CreateAssessment: (k) => ({
    traceId: traceId(k),
    assessment: {
      ...{ assessmentId: assessmentId(k), name: 'correctness', kind: k.of('feedback', 'expectation') },
      ...{ value: k.of('true', 'false'), error: null, sourceType: 'HUMAN', sourceId: 'ada', rationale: null },
      ...{ metadata: [], spanId: null, overrides: k.of(null, null, assessmentId(k)), createTimeMs: 1 },
      lastUpdateTimeMs: 1,
    },
  }),
  UpdateAssessment: (k) => ({
    ...{ traceId: traceId(k), assessmentId: assessmentId(k), kind: k.of('feedback', 'expectation') },
    changed: { value: k.of('true', 'false') },
  }),
  DeleteAssessment: (k) => ({ traceId: traceId(k), assessmentId: assessmentId(k) }),
  RegisterScorer: (k) => ({ experimentId: experimentId(k), name: name(k), serializedScorer: '{}' }),
  DeleteScorerVersions: (k) => ({ experimentId: experimentId(k), name: name(k), version: k.of(1, 2, null) }),
  ConfigureOnlineScoring: (k) => ({
    ...{ experimentId: experimentId(k), name: name(k), onlineScoringConfigId: hex(1, 32) },
    ...{ sampleRate: k.of(0, 0.5), filterString: k.of(null, "status = 'OK'") },
  }),

  CreateEvaluationDataset: (k) => ({
    ...{ datasetId: datasetId(k), name: name(k), experimentIds: [experimentId(k)], tags: [tag(k)] },
  }),
  DeleteEvaluationDataset: (k) => (rarely(k) ? { datasetId: datasetId(k) } : undefined),
  SetEvaluationDatasetTags: (k) => ({ datasetId: datasetId(k), tags: [tag(k)] }),
  RemoveEvaluationDatasetTag: (k) => ({ datasetId: datasetId(k), key: k.of(...KEYS) }),
  AddExperimentsToEvaluationDataset: (k) => ({ datasetId: datasetId(k), experimentIds: [experimentId(k)] }),
  RemoveExperimentsFromEvaluationDataset: (k) => ({ datasetId: datasetId(k), experimentIds: [experimentId(k)] }),
  MergeEvaluationDatasetRecords: (k) => ({
    datasetId: datasetId(k),
    fields: [{ group: 'inputs', key: k.of(...KEYS), type: 'string' }],
    records: [datasetRecord(k), datasetRecord(k)],
  }),
  DeleteEvaluationDatasetRecords: (k) => ({ datasetId: datasetId(k), recordIds: [recordId(k)] }),

  CreateRegisteredModel: (k) => ({
    ...{ modelId: modelId(k), name: name(k), description: k.of('a', null), tags: [tag(k)] },
    ...{ isPrompt: false, firstVersion: k.of(1, 1, 4) },
  }),
  DescribeRegisteredModel: (k) => ({ modelId: modelId(k), description: k.of('a', 'b', null) }),
  RenameRegisteredModel: (k) => ({ modelId: modelId(k), name: name(k), previousName: name(k) }),
  DeleteRegisteredModel: (k) => ({ modelId: modelId(k), name: name(k), served: served(k) }),
  RestoreRegisteredModel: (k) => ({ modelId: modelId(k), name: name(k) }),
  SetRegisteredModelTag: (k) => ({ modelId: modelId(k), ...tag(k) }),
  RemoveRegisteredModelTag: (k) => ({ modelId: modelId(k), key: k.of(...KEYS) }),
  SetAlias: (k) => ({ modelId: modelId(k), alias: k.of('champion', 'challenger', 'latest'), version: version(k) }),
  RemoveAlias: (k) => ({ modelId: modelId(k), alias: alias(k), reason: k.maybe(0.5) ? REASON : undefined }),
  ProtectAlias: (k) => (rarely(k) ? { modelId: modelId(k), alias: alias(k) } : undefined),
  UnprotectAlias: (k) => (rarely(k) ? { modelId: modelId(k), alias: alias(k) } : undefined),
  RegisterModelVersion: (k) => ({
    ...{ modelId: modelId(k), source: 's3://bucket/model', storageLocation: 's3://bucket/model', runId: null },
    ...{ loggedModelId: null, runLink: '', description: '', tags: [tag(k)] },
    ...(k.maybe(0.2) ? ownFiles(k) : { artifacts: k.maybe(0.05) ? null : artifacts(k) }),
    trainedBy: k.of('ada', null),
  }),
  ChangeStage: (k) => ({
    ...{ modelId: modelId(k), version: version(k), stage: k.of('None', 'Staging', 'Production', 'Archived') },
    archiveExistingVersions: k.maybe(0.5),
  }),
  DeleteModelVersion: (k) => ({ modelId: modelId(k), version: version(k), served: served(k) }),
  RestoreModelVersion: (k) => ({ modelId: modelId(k), version: version(k) }),
  UndoRegisteredModel: (k) => {
    const type = k.of('AliasSet', 'ModelVersionDeleted', 'RegisteredModelRenamed', 'RegisteredModelDeleted');
    const last = undoing(k, type);
    return last && { modelId: last.data.modelId, ...last.undone };
  },
  DescribeModelVersion: (k) => ({
    modelId: modelId(k),
    version: version(k),
    description: k.of('a', 'b'),
    knownDescription: '',
  }),
  SetModelVersionTag: (k) => ({ modelId: modelId(k), version: version(k), ...tag(k), knownValue: null }),
  RemoveModelVersionTag: (k) => ({ modelId: modelId(k), version: version(k), key: k.of(...KEYS), knownValue: null }),
  UndoModelVersion: (k) => {
    const last = undoing(k, 'ModelVersionDescribed');
    return last && { modelId: last.data.modelId, version: last.data.version, ...last.undone };
  },
  RecordFolderArtifact: (k) => ({ folder: 'shared', ...file(k) }),
  RemoveFolderArtifacts: (k) => ({ folder: 'shared', path: k.of('model', path(k)) }),
  StartImport: (k) => ({ importId: importId(k), source: 'http://mlflow' }),
  CompleteImport: (k) => ({ importId: importId(k), counts: [{ what: 'runs', atSource: 2, here: k.of(1, 2) }] }),

  CreateWorkspace: (k) => ({ name: workspace(k), description: k.of('a', ''), defaultArtifactRoot: null }),
  ChangeWorkspace: (k) => ({ name: workspace(k), description: k.maybe(0.2) ? undefined : k.of('a', 'b') }),
  DeleteWorkspace: (k) => ({ name: workspace(k), holds: k.maybe(0.3) ? [{ what: 'experiments', count: 1 }] : [] }),
  CreateWebhook: (k) => ({ webhookId: webhookId(k), ...webhookSettings(k) }),
  ChangeWebhook: (k) => ({ webhookId: webhookId(k), ...webhookSettings(k) }),
  DeleteWebhook: (k) => ({ webhookId: webhookId(k) }),
  RedeliverWebhook: (k) => ({ webhookId: webhookId(k), deliveryId: uuidOf(9) }),
  AbandonWebhookDelivery: (k) => ({
    ...{ webhookId: webhookId(k), deliveryId: uuidOf(9), eventId: uuidOf(8), event: 'prompt.created' },
    ...{ tries: 9, responseStatus: k.of(503, null), reason: REASON },
  }),
};

/** A registered version with its files, as the edge reads them. */
const registered = (k: Known) => {
  const data = k.recent('ModelVersionRegistered');
  if (!data?.artifacts?.servable) return undefined;
  const { manifestDigest, servable, files } = data.artifacts;
  return { subject: { modelName: data.name, version: data.version, manifestDigest }, servable, files };
};
const subject = (k: Known) =>
  registered(k)?.subject ?? { modelName: 'credit', version: 1, manifestDigest: digestOf(1) };
const endpoint = (k: Known): string => k.among([...ENDPOINTS, 'credit-staging'], k.recent('EndpointCreated')?.endpoint);
const production = (k: Known): string =>
  k.among(ENDPOINTS, k.all('EndpointCreated').findLast(({ environment }) => environment === 'production')?.endpoint);

/** So many requests of one row each: score 0.3, 2 ms. */
const traffic = (requests: number, change: Partial<RevisionMeasurement> = {}): RevisionMeasurement => {
  const measured = emptyMeasurement();
  measured.latencyCounts[latencyBin(2)] = requests;
  measured.scoreCounts[scoreBin(0.3)] = requests;
  return { ...measured, requests, rows: requests, ...change };
};

const canary = (k: Known): RevisionMeasurement =>
  k.of(
    ...[traffic(500), traffic(500), traffic(500), emptyMeasurement(), emptyMeasurement()],
    ...[traffic(500, { errors: 100 }), traffic(600, { scoreCounts: [...traffic(600).scoreCounts].reverse() })],
  );

/** The step that a rollout entered last. */
const stepping = (k: Known): DataOf<'WeightSet'> | undefined =>
  k.all('WeightSet').findLast(({ step }) => step !== null);

export const deploymentDrafts: Drafts<typeof deploymentCommands> = {
  CreateEndpoint: (k) => ({
    endpoint: k.of(...ENDPOINTS),
    environment: k.maybe(0.97) ? 'production' : 'staging',
    description: '',
  }),
  StageVersion: (k) => {
    const found = registered(k);
    return found && { endpoint: endpoint(k), version: found.subject, servable: found.servable };
  },
  RequestRollout: (k) => {
    const found = registered(k);
    if (!found) return undefined;
    const weightsBps = k.of([10_000], [100, 2500], [1000, 10_000]);
    const steps = weightsBps.map((weightBps) => ({ weightBps, minRows: 100, minDurationMs: 1000 }));
    const again = k.maybe(0.05) ? k.recent('RolloutRequested') : undefined;
    const { subject, servable, files } = found;
    return {
      rolloutId: again?.rolloutId ?? k.world.newId(),
      endpoint: again?.endpoint ?? production(k),
      version: subject,
      servable,
      files: k.maybe(0.03) ? [] : files,
      strategy: { steps },
    };
  },
  StartRollout: (k) => {
    const gate = k.recent('GateEvaluated');
    if (!gate) return undefined;
    const { gateId, rolloutId, endpoint, environment, subject, policy, at } = gate;
    const restsOn = [{ stream: 'default/governance/policy/production-low', version: '1' }];
    const forged = { gateId, rolloutId, endpoint, environment, subject, outcome: 'PASS' as const, policy, at, restsOn };
    return { rolloutId, endpoint, gate: forged };
  },
  RefuseRollout: (k) => {
    const gate = k.recent('GateEvaluated');
    return gate && { rolloutId: gate.rolloutId, endpoint: gate.endpoint, gateId: gate.gateId, reasons: [REASON] };
  },
  ReportRevisionState: (k) => {
    const reported = new Set([...k.all('RevisionLoaded'), ...k.all('RevisionFailed')].map((one) => one.revisionId));
    const waiting = k.all('RevisionAdded').filter(({ revisionId }) => !reported.has(revisionId));
    const added = waiting.length > 0 && k.maybe(0.8) ? k.of(...waiting) : k.recent('RevisionAdded');
    if (!added) return undefined;
    const { endpoint, revisionId, servable } = added;
    if (k.maybe(0.15)) return { endpoint, revisionId, state: 'failed', reason: 'protobuf parsing failed' };
    const goldenRows = servable.goldenDigest === null ? 0 : 10;
    const goldenMaxDifference = goldenRows === 0 ? null : k.of(0, 0, 0, 1);
    const digest = k.maybe(0.05) ? digestOf(1) : servable.digest;
    return { endpoint, revisionId, state: 'loaded', digest, goldenRows, goldenMaxDifference, loadMs: 12 };
  },
  RecordAnalysis: (k) => {
    const set = stepping(k);
    if (!set) return undefined;
    const { rolloutId, endpoint, step } = set;
    if (rolloutId === null || step === null) return undefined;
    const stable = k.maybe(0.1) ? null : traffic(500);
    return { rolloutId, endpoint, step, elapsedMs: k.of(1000, 700_000, 700_000), canary: canary(k), stable };
  },
  ResumeRollout: (k) => {
    const held = k.recent('RolloutHeld') ?? stepping(k);
    return held && { rolloutId: k.id(held.rolloutId ?? undefined), endpoint: held.endpoint, reason: REASON };
  },
  AbortRollout: (k) => {
    const asked = k.recent('RolloutRequested');
    const rolloutId = k.maybe(0.2) ? null : k.id(asked?.rolloutId);
    return { rolloutId, endpoint: asked?.endpoint ?? endpoint(k), reason: REASON };
  },
  RollBack: (k) => ({ endpoint: k.recent('RolloutPromoted')?.endpoint ?? endpoint(k), reason: REASON }),
  SuspendEndpoint: (k) => ({ endpoint: production(k), reason: REASON, ...(k.maybe(0.2) && { onBehalfOf: 'root' }) }),
  ResumeEndpoint: (k) => ({ endpoint: production(k), reason: REASON, ...(k.maybe(0.2) && { onBehalfOf: 'root' }) }),
};

const DAY_MS = 86_400_000;
const EPOCH_MS = Date.UTC(2026, 0, 1);
const day = (n: number) => {
  const at = (i: number) => new Date(EPOCH_MS + i * DAY_MS).toISOString();
  return { start: at(n), end: at(n + 1) };
};
const monitorId = (k: Known): string => k.of('m1', 'm1', 'm2');
const dataset = (k: Known) => ({ name: 'census', digest: digestOf(1), rows: k.maybe(0.05) ? 0 : 10_000 });
const measured = (value: number) => ({ value, n: 10_000, low: null, high: null, reason: null });
const performance = (accuracy: number) => ({
  accuracy: measured(accuracy),
  logLoss: measured(0.4),
  rocAuc: measured(0.9),
});
const bins = (feature: string) => ({
  ...{ feature, kind: 'numeric' as const, edges: [1], categories: [], counts: [50, 50, 0, 0, 0] },
  ...{ min: 0, max: 2, cells: [] },
});
const SOURCES = ['census', 'bank'];
const source = (k: Known) => ({
  ...{ dataSourceId: k.of(...SOURCES), features: [k.of('age', 'income')] },
  ...{ businessOwner: k.of(...PERSONS), dataOwner: k.of(...PERSONS) },
});
const alerting = (k: Known, labels: number) => ({
  outcomes:
    labels === 0
      ? null
      : {
          accuracy: { hits: Math.round(labels * k.of(0.83, 0.83, 0.7)), n: labels },
          reference: { hits: 8300, n: 10_000 },
          attributes: [{ attribute: 'sex', groups: [group('1', 0.8), group('2', k.of(0.8, 0.8, 0.4))] }],
        },
  sources: [source(k)],
  alertIds: {
    ...{ drift: k.world.newId(), dataSource: k.world.newId() },
    ...{ performance: k.world.newId(), fairness: k.world.newId() },
  },
});
const group = (name: string, recall: number) => ({
  ...{ group: name, truePositives: Math.round(1000 * recall), falseNegatives: Math.round(1000 * (1 - recall)) },
  ...{ falsePositives: 200, trueNegatives: 1800 },
});
const drift = (k: Known) => {
  const [value, p] = k.of([0.01, 0.5], [0.15, 1e-9], [0.4, 1e-12], [0.4, 1e-12]);
  const shared = { jensenShannon: 0.1, kolmogorovSmirnov: 0.1, missing: 0, unseen: 0, outOfRange: 0 };
  return {
    feature: 'age',
    value: value ?? null,
    p: p ?? null,
    n: k.of(5000, 5000, 5000, 3),
    bins: 10,
    referenceRows: 10_000,
    ...shared,
  };
};
const change = (k: Known) => ({
  ...{ feature: k.of('age', 'income'), change: k.of('unit' as const, 'missing' as const) },
  ...{ sentence: 'It is 12 times its reference.', numbers: { factor: 12 } },
});

export const monitoringDrafts: Drafts<typeof monitoringCommands> = {
  RequestBaseline: (k) => ({
    ...{ baselineId: k.maybe(0.1) ? k.id(k.recent('BaselineRequested')?.baselineId) : k.world.newId() },
    ...{ endpoint: endpoint(k), version: subject(k), dataset: dataset(k), labelColumn: 'label' },
    ...{ features: ['age', 'income'], categoricalFeatures: [] },
  }),
  PinBaseline: (k) => {
    const asked = k.recent('BaselineRequested');
    if (!asked) return undefined;
    const { baselineId, version, dataset } = asked;
    const features = [bins('age'), bins('income')];
    return {
      baselineId,
      version,
      dataset,
      features,
      score: bins('score'),
      binsHash: digestOf(2),
      performance: performance(0.83),
    };
  },
  FailBaseline: (k) => ({ baselineId: k.id(k.recent('BaselineRequested')?.baselineId), reason: REASON }),
  RequestEvaluation: (k) => ({
    ...{ evaluationId: k.maybe(0.1) ? k.id(k.recent('EvaluationRequested')?.evaluationId) : k.world.newId() },
    ...{ endpoint: endpoint(k), version: subject(k), dataset: dataset(k), labelColumn: 'label' },
    ...{ features: ['age', 'income'], protectedAttributes: ['sex'], slices: [], compareWith: null },
  }),
  CompleteEvaluation: (k) => {
    const asked = k.recent('EvaluationRequested');
    if (!asked) return undefined;
    const { evaluationId, endpoint, version, dataset } = asked;
    const metrics = ['demographicParityDifference', 'equalOpportunityDifference'] as const;
    const fairness = metrics.map((metric) => ({
      attribute: 'sex',
      metric,
      difference: measured(k.of(0.1, 0.1, 0.3)),
      groups: [],
    }));
    return {
      ...{
        evaluationId,
        endpoint,
        environment: 'staging',
        version,
        dataset,
        performance: performance(0.85),
        slices: [],
      },
      ...{ fairness, golden: { rows: 10, maxDifference: k.of(0, 0, 1) } },
      comparedWith: k.maybe(0.3) ? null : { version, performance: performance(k.of(0.8, 0.8, 0.9)) },
    };
  },
  FailEvaluation: (k) => ({ evaluationId: k.id(k.recent('EvaluationRequested')?.evaluationId), reason: REASON }),
  DefineMonitor: (k) => ({
    ...{ monitorId: monitorId(k), endpoint: k.of(...ENDPOINTS), windowMs: DAY_MS, latenessMs: 0, psiThreshold: 0.1 },
    baselineId: k.id((k.recent('BaselinePinned') ?? k.recent('BaselineRequested'))?.baselineId),
    persistence: k.of({ windows: 1, ofWindows: 2 }, { windows: 2, ofWindows: 3 }, { windows: 2, ofWindows: 1 }),
    ...{ protectedAttributes: ['sex'], dataSourceIds: SOURCES },
  }),
  RegisterDataSource: (k) => ({ ...source(k), name: 'a source' }),
  CloseWindow: (k) => {
    const monitor = k.recent('MonitorDefined');
    if (!monitor) return undefined;
    const labels = k.of(0, 6000, 6000);
    return {
      ...{ monitorId: monitor.monitorId, window: day(k.all('WindowClosed').length + k.of(0, 0, 0, 1, -1)) },
      ...{ rows: 5000, revisions: [], profileDigest: digestOf(3), labels, performance: null, fairness: [] },
      drift: { baselineId: k.id(monitor.baselineId), binsHash: digestOf(2), features: [drift(k)] },
      changes: k.maybe(0.15) ? [change(k)] : [],
      ...alerting(k, labels),
    };
  },
  ReviseWindow: (k) => {
    const closed = k.recent('WindowClosed');
    if (!closed) return undefined;
    const { monitorId, window, rows } = closed;
    const labels = k.of(0, 5000, 7000);
    return { monitorId, window, rows, labels, performance: null, fairness: [], ...alerting(k, labels) };
  },
  AcknowledgeAlert: (k) => {
    const alert = k.recent('AlertRaised');
    return alert && { monitorId: alert.monitorId, alertId: k.id(alert.alertId), comment: 'seen' };
  },
  ReceiveGroundTruth: (k) => ({
    batchId: k.maybe(0.2) ? k.id(k.recent('GroundTruthReceived')?.batchId) : k.world.newId(),
    ...{ endpoint: endpoint(k), labelName: 'label', labels: k.of(10, 20), digest: digestOf(4), source: 'bank' },
  }),
};

const ALL_TIERS = ['LOW' as const, 'MEDIUM' as const, 'HIGH' as const];
const useCaseId = (k: Known): string => k.among(['scoring', 'watch'], k.recent('UseCaseRegistered')?.useCaseId);
/** Scales that give a tier: low, medium, high. */
const answers = (k: Known) => ({
  ...{ effect: k.of(0, 1), autonomy: k.of(0, 0, 0, 4), affectedPersons: 0, materiality: 0, irreversibility: 0 },
  ...{ opacity: k.of(0, 1), dataSensitivity: 0, dependents: 0, vendorUnknowns: 0 },
  legalTriggers: k.maybe(0.1) ? [k.of('credit' as const, 'prohibited-practice' as const)] : [],
});

export const governanceDrafts: Drafts<typeof governanceCommands> = {
  RegisterUseCase: (k) => ({
    ...{ useCaseId: useCaseId(k), name: 'Scoring', purpose: 'To score.', owner: 'ada', modelNames: NAMES },
    endpoints: k.of(ENDPOINTS, ENDPOINTS, ENDPOINTS, ['credit']),
  }),
  ClassifyUseCase: (k) => ({ useCaseId: useCaseId(k), answers: answers(k) }),
  SuspendUseCase: (k) => ({ useCaseId: useCaseId(k), reason: REASON }),
  ResumeUseCase: (k) => ({ useCaseId: useCaseId(k), reason: REASON }),
  ActivatePolicy: (k) => {
    const policy = k.of(...defaultPolicies.slice(0, k.of(1, 3)));
    const when = k.of(
      ...Array.from({ length: 5 }, () => 'size(rejections) == 0'),
      'size(validApprovals) >= 1',
      'nonsense',
    );
    const rule = { id: 'OWN', title: 'Own rule', measure: 'human-sign-off', requires: [], when, advice: 'Ask.' };
    return k.maybe(0.3)
      ? policy
      : {
          ...policy,
          policyId: k.of('production-low', 'own'),
          tiers: k.of(ALL_TIERS, ALL_TIERS, policy.tiers),
          rules: [rule],
        };
  },
  RecordAuthorship: (k) => ({ subject: subject(k), authors: [k.of(...PERSONS)] }),
  RecordEvidence: (k) => ({
    subject: subject(k),
    evidence: [{ evidenceId: k.world.newId(), type: k.maybe(0.9) ? 'review' : 'evaluation', metrics: {} }],
    ...{ reviewer: k.of(null, null, 'bob'), sourceEventId: null },
  }),
  GiveApproval: (k) => ({
    ...{ approvalId: k.world.newId(), subject: subject(k), environment: 'production', comment: '' },
    ...{ role: k.of('validator', 'risk-officer'), meaning: k.maybe(0.9) ? 'APPROVED' : 'REJECTED' },
    expiresAt: k.maybe(0.8) ? null : new Date(k.world.nowMs + k.of(-1000, 1000, DAY_MS)).toISOString(),
  }),
  RevokeApproval: (k) => {
    const given = k.recent('ApprovalGiven');
    return given && { approvalId: k.id(given.approvalId), subject: given.subject, reason: REASON };
  },
  EvaluateGate: (k) => {
    const asked = k.recent('RolloutRequested');
    if (!asked) return undefined;
    const { rolloutId, endpoint, environment, version: subject, requestedBy } = asked;
    return { rolloutId, endpoint, environment, subject, requestedBy, context: null };
  },
  ReevaluateGates: (k) => ({ subject: subject(k), contexts: null }),
  SettleGate: (k) => {
    const asked = k.recent('RolloutRequested');
    return asked && { rolloutId: asked.rolloutId, subject: asked.version };
  },
  RecheckGates: (k) => ({ causeId: k.world.newId(), moved: 'default/governance/policy/production-low', subjects: [] }),
  OpenIncident: (k) => ({
    ...{ incidentId: k.maybe(0.2) ? k.id(k.recent('IncidentOpened')?.incidentId) : k.world.newId() },
    ...{
      useCaseId: useCaseId(k),
      endpoint: endpoint(k),
      severity: k.of('warning', 'critical'),
      reason: REASON,
      alertId: null,
    },
  }),
  PlaceLegalHold: (k) => ({ holdId: k.id(k.recent('LegalHoldPlaced')?.holdId), reason: REASON }),
  ReleaseLegalHold: (k) => ({ holdId: k.id(k.recent('LegalHoldPlaced')?.holdId), reason: REASON }),
  RecordLogArchived: (k) => ({
    ...{ firstPosition: '1', lastPosition: k.of('64', '128'), root: Buffer.alloc(32).toString('base64') },
    ...{ firstRecordedAt: k.world.now, lastRecordedAt: k.world.now, manifestDigest: digestOf(k.of(1, 2)) },
  }),
  EraseSubject: (k) => ({
    ...{ subjectId: k.of(...PERSONS), ground: 'OBJECTION', legalHolds: k.maybe(0.2) ? [k.world.newId()] : [] },
    ...{ keyVersion: k.of(0, 1, 2), keyLeft: k.maybe(0.1) },
  }),
  RecordArchivedLogDropped: (k) => ({ firstPosition: '1', lastPosition: k.of('64', '128') }),
};
