import { type CommandOf, personal } from '@kontor/event-sourcing';
import { z } from 'zod';
import { actorId, digest, modelName, reason, slug, versionNumber } from '../values.js';
import {
  datasetField,
  datasetRecord,
  experimentId,
  importCount,
  imported,
  importedExperiment,
  importId,
  keptVersion,
  loggedModelId,
  metricPoint,
  modelId,
  runDataset,
  runId,
  runOutput,
  stage,
  tagValue,
  WEBHOOK_EVENTS,
  webhookEvent,
  webhookStatus,
} from './events.js';
import { versionArtifacts } from '../version-artifacts.js';
import { traceCommands } from './trace-commands.js';
import { key, upTo } from './values.js';

// Limits of keys, values, names and batches are those of MLflow 3.18.0, mlflow/utils/validation.py; of descriptions and
// paths, where MLflow has only the widths of its columns, our own. What MLflow cuts, the edge has cut before.
const experimentName = upTo(500).min(1);
const description = upTo(100_000);
const location = upTo(2048);
const registryTagValue = tagValue(upTo(100_000));
const param = z.strictObject({ key, value: upTo(6000) });
const runTag = z.strictObject({ key, value: tagValue(upTo(8000)) });
const experimentTag = z.strictObject({ key, value: tagValue(upTo(20_000)) });
const registryTag = z.strictObject({ key, value: registryTagValue });
const alias = upTo(255).regex(/^[\p{L}\p{N}_-]+$/u, 'must be letters, digits, _ and -');
/** Of UTF-8, as S3 takes at most for a key: then every path can be a name anywhere. */
const MAX_PATH_BYTES = 1024;
const path = z
  .string()
  .min(1)
  .refine((value) => new TextEncoder().encode(value).length <= MAX_PATH_BYTES, {
    error: `must have at most ${MAX_PATH_BYTES} bytes`,
  });
const file = { path, digest, sizeBytes: z.int().min(0) };
const scorer = { experimentId, name: upTo(256).min(1) };
const datasetId = z.string().regex(/^d-[0-9a-f]{32}$/, 'must be d- and 32 hex digits');
const recordId = z.string().regex(/^dr-[0-9a-f]{32}$/, 'must be dr- and 32 hex digits');
const experimentIds = z.array(experimentId).max(1000);
const datasetTag = z.strictObject({ key: upTo(255).min(1), value: tagValue(upTo(5000)) });
/** A command has at most 1 MiB; a record of nothing but an id and one input takes some 200 bytes. */
const COMMAND_RECORDS = 5000;
/** A batch of metrics, params and tags holds at most this many together. */
const BATCH_ITEMS = 1000;
/** A request that creates may bring this many tags or params: bounds the event, MLflow has no limit. */
const INITIAL_ITEMS = 1000;

/** These stand in front of a path, where a workspace's name may stand too. */
export const RESERVED_WORKSPACES: readonly string[] = ['workspaces', 'api', 'ajax-api', 'static-files'];
/** @source MLflow 3.18, `mlflow/store/workspace/abstract_store.py` */
const workspaceName = z
  .string()
  .min(2)
  .max(63)
  .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, 'must be of a-z, 0-9 and -, not beginning or ending with -')
  .refine((name) => !RESERVED_WORKSPACES.includes(name), { error: 'is reserved' });

const webhookId = z.uuid();
const webhookSettings = z.strictObject({
  /** @source MLflow 3.18, `mlflow/utils/validation.py` */
  name: z
    .string()
    .max(63)
    .regex(/^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/i, 'must be letters, digits, ., _ and -, the first and last no sign'),
  url: location.min(1),
  events: z.array(webhookEvent).min(1).max(WEBHOOK_EVENTS.length),
  description,
  status: webhookStatus,
  secretVersion: z.int().min(1).nullable(),
});

/** What is in a workspace, by kind, as the edge read it. */
const held = z.strictObject({ what: z.string().min(1).max(100), count: z.int().min(1) });

/**
 * Versions that endpoints of production hold. The service reads it from the log right before it decides; what a sender says
 * here counts for nothing.
 */
const served = z.array(z.strictObject({ endpoint: slug, modelName, version: versionNumber })).default([]);

/** Versions that were made of what is to be deleted, as the edge read them: what a version was made of never changes. */
const madeInto = z
  .array(z.strictObject({ modelId, versions: z.array(versionNumber).max(10_000) }))
  .max(1000)
  .default([]);
/** Those of them that must stay. From the service, as `served`. */
const keptBy = z.array(keptVersion).default([]);

/** The position of an event; the command that it belongs to is undone as a whole. */
const position = z.string().regex(/^[1-9]\d{0,18}$/, 'must be a position from 1 on');
/** What the service reads from the log right before it decides, as `served`. */
const undone = {
  /** The events of the command, oldest first; none if it is not one of this stream. */
  events: z.array(z.object({ type: z.string(), data: z.unknown() })).default([]),
  /** Names that undoing would take and that something else has now. */
  taken: z.array(z.string()).default([]),
};

/** Deleted versions that were registered from a folder among these files, as the edge read them: its files may change again. */
const deletedVersions = z
  .array(z.strictObject({ modelId, version: versionNumber }))
  .max(1000)
  .default([]);
/** Whose files a version is made of, and below which folder; null where they lie outside of the platform. */
const filesOf = z
  .discriminatedUnion('aggregate', [
    z.strictObject({ aggregate: z.literal('run'), runId, path: upTo(2048) }),
    z.strictObject({ aggregate: z.literal('logged-model'), loggedModelId, path: upTo(2048) }),
  ])
  .nullable()
  .default(null);

/** The version that a file belongs to, as the edge read it. */
const registeredAs = z.strictObject({ modelName, version: versionNumber });

const dataset = runDataset.extend({
  name: upTo(500).min(1),
  digest: upTo(36).min(1),
  source: upTo(65_535),
  schema: upTo(65_536).nullable(),
  profile: upTo(65_536).nullable(),
  tags: z.array(z.strictObject({ key: upTo(255), value: upTo(500) })).max(100),
});

/** Ids, times and final names are drawn at the edge: the rules need neither a clock nor chance. */
export const registryCommands = {
  CreateExperiment: z.strictObject({
    experimentId,
    name: experimentName,
    artifactLocation: location,
    tags: z.array(experimentTag).max(INITIAL_ITEMS),
    importedFrom: importedExperiment,
  }),
  /** `previousName` frees the old name; refused with NAME_MOVED if it is not the present one. */
  RenameExperiment: z.strictObject({ experimentId, name: experimentName, previousName: experimentName }),
  DeleteExperiment: z.strictObject({ experimentId, madeInto, keptBy }),
  RestoreExperiment: z.strictObject({ experimentId }),
  SetExperimentTag: z.strictObject({ experimentId, ...experimentTag.shape }),
  RemoveExperimentTag: z.strictObject({ experimentId, key }),
  UndoExperiment: z.strictObject({ experimentId, position, ...undone }),

  StartRun: z.strictObject({
    runId,
    experimentId,
    name: upTo(250),
    userId: personal(upTo(256)),
    startTimeMs: z.int(),
    artifactUri: location,
    tags: z.array(runTag).max(INITIAL_ITEMS),
  }),
  /** Null changes nothing. A status without an end time keeps the end time that the run has. */
  UpdateRun: z.strictObject({
    runId,
    status: z.enum(['RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED']).nullable(),
    endTimeMs: z.int().nullable(),
    name: upTo(250).nullable(),
  }),
  /** All or nothing. The tag `mlflow.runName` renames the run. */
  LogRunData: z
    .strictObject({
      runId,
      metrics: z.array(metricPoint.extend({ key })).max(BATCH_ITEMS),
      params: z.array(param).max(100),
      tags: z.array(runTag).max(100),
    })
    .refine(({ metrics, params, tags }) => metrics.length + params.length + tags.length <= BATCH_ITEMS, {
      error: `must hold at most ${BATCH_ITEMS} metrics, params and tags together`,
    }),
  /** One more model in the run's tag `mlflow.log-model.history`: JSON of an object, as it will stand there. */
  LogRunModel: z.strictObject({ runId, model: upTo(8000).min(1) }),
  RemoveRunTag: z.strictObject({ runId, key }),
  LogRunInputs: z.strictObject({
    runId,
    datasets: z.array(dataset).max(1000),
    loggedModelIds: z.array(loggedModelId).max(1000),
  }),
  LogRunOutputs: z.strictObject({ runId, models: z.array(runOutput).max(1000) }),
  DeleteRun: z.strictObject({ runId, madeInto, keptBy }),
  RestoreRun: z.strictObject({ runId }),
  UndoRun: z.strictObject({ runId, position, ...undone }),

  CreateLoggedModel: z.strictObject({
    loggedModelId,
    experimentId,
    name: upTo(256).min(1),
    modelType: upTo(500),
    sourceRunId: upTo(256).nullable(),
    artifactUri: location,
    params: z.array(param).max(INITIAL_ITEMS),
    tags: z.array(runTag).max(INITIAL_ITEMS),
    importedFrom: imported,
  }),
  FinalizeLoggedModel: z.strictObject({
    loggedModelId,
    status: z.enum(['READY', 'UPLOAD_FAILED']),
    manifestDigest: digest.nullable(),
  }),
  LogLoggedModelParams: z.strictObject({ loggedModelId, params: z.array(param).max(INITIAL_ITEMS) }),
  /** Of a repeated key the last one counts. */
  SetLoggedModelTags: z.strictObject({ loggedModelId, tags: z.array(runTag).max(INITIAL_ITEMS) }),
  RemoveLoggedModelTag: z.strictObject({ loggedModelId, key }),
  DeleteLoggedModel: z.strictObject({ loggedModelId, madeInto, keptBy }),
  UndoLoggedModel: z.strictObject({ loggedModelId, position, ...undone }),

  ...traceCommands,
  /** The version is decided here. */
  RegisterScorer: z.strictObject({ ...scorer, serializedScorer: upTo(65_535).min(1) }),
  /** Null: all of them. */
  DeleteScorerVersions: z.strictObject({ ...scorer, version: versionNumber.nullable() }),
  ConfigureOnlineScoring: z.strictObject({
    ...scorer,
    /** For the case that something changes. */
    onlineScoringConfigId: z.string().regex(/^[0-9a-f]{32}$/, 'must be 32 hex digits'),
    sampleRate: z.number().min(0).max(1),
    filterString: upTo(65_535).nullable(),
  }),

  CreateEvaluationDataset: z.strictObject({
    datasetId,
    name: upTo(255).min(1),
    experimentIds,
    tags: z.array(datasetTag).max(INITIAL_ITEMS),
  }),
  DeleteEvaluationDataset: z.strictObject({ datasetId }),
  /** Of a repeated key the last one counts. */
  SetEvaluationDatasetTags: z.strictObject({ datasetId, tags: z.array(datasetTag).max(INITIAL_ITEMS) }),
  RemoveEvaluationDatasetTag: z.strictObject({ datasetId, key: upTo(255) }),
  AddExperimentsToEvaluationDataset: z.strictObject({ datasetId, experimentIds }),
  RemoveExperimentsFromEvaluationDataset: z.strictObject({ datasetId, experimentIds }),
  /** All or nothing. A record with the inputs of a known one changes that one. */
  MergeEvaluationDatasetRecords: z.strictObject({
    datasetId,
    fields: z.array(datasetField).max(COMMAND_RECORDS),
    records: z
      .array(
        datasetRecord.extend({
          recordId,
          /** Absent: those of a known record stay. */
          outputs: z.string().nullable().optional(),
        }),
      )
      .max(COMMAND_RECORDS),
  }),
  DeleteEvaluationDatasetRecords: z.strictObject({ datasetId, recordIds: z.array(recordId).max(COMMAND_RECORDS) }),

  CreateRegisteredModel: z.strictObject({
    modelId,
    name: modelName,
    description: description.nullable(),
    tags: z.array(registryTag).max(INITIAL_ITEMS),
    isPrompt: z.boolean(),
    firstVersion: versionNumber,
    importedFrom: imported,
  }),
  DescribeRegisteredModel: z.strictObject({ modelId, description: description.nullable() }),
  /** `previousName` frees the old name; refused with NAME_MOVED if it is not the present one. */
  RenameRegisteredModel: z.strictObject({ modelId, name: modelName, previousName: modelName }),
  /** `name` is freed; refused with NAME_MOVED if it is not the present one. */
  DeleteRegisteredModel: z.strictObject({ modelId, name: modelName, served }),
  /** Takes `name` again: the one that it had. */
  RestoreRegisteredModel: z.strictObject({ modelId, name: modelName }),
  SetRegisteredModelTag: z.strictObject({ modelId, ...registryTag.shape }),
  RemoveRegisteredModelTag: z.strictObject({ modelId, key }),
  SetAlias: z.strictObject({ modelId, alias, version: versionNumber, reason: reason.optional() }),
  RemoveAlias: z.strictObject({ modelId, alias, reason: reason.optional() }),
  ProtectAlias: z.strictObject({ modelId, alias }),
  UnprotectAlias: z.strictObject({ modelId, alias }),
  /** The number is decided here; an administrator who imports says it. Numbers that are passed over are given to none. */
  RegisterModelVersion: z.strictObject({
    modelId,
    version: versionNumber.optional(),
    source: location,
    storageLocation: location,
    runId: runId.nullable(),
    loggedModelId: loggedModelId.nullable(),
    runLink: location,
    description,
    tags: z.array(registryTag).max(INITIAL_ITEMS),
    artifacts: versionArtifacts.nullable(),
    filesOf,
    /** Who started the run, as the edge knows it. */
    trainedBy: actorId.nullable(),
    importedFrom: imported,
  }),
  ChangeStage: z.strictObject({ modelId, version: versionNumber, stage, archiveExistingVersions: z.boolean() }),
  DeleteModelVersion: z.strictObject({ modelId, version: versionNumber, served }),
  RestoreModelVersion: z.strictObject({ modelId, version: versionNumber }),
  UndoRegisteredModel: z.strictObject({ modelId, position, ...undone }),

  // A version's own stream does not hold what the version was registered with. So these carry the value that the edge
  // read; it counts only while the stream itself has no newer one, and then it cannot be stale.
  DescribeModelVersion: z.strictObject({
    modelId,
    version: versionNumber,
    description,
    knownDescription: description,
  }),
  SetModelVersionTag: z.strictObject({
    modelId,
    version: versionNumber,
    ...registryTag.shape,
    knownValue: registryTagValue.nullable(),
  }),
  RemoveModelVersionTag: z.strictObject({
    modelId,
    version: versionNumber,
    key,
    knownValue: registryTagValue.nullable(),
  }),
  UndoModelVersion: z.strictObject({ modelId, version: versionNumber, position, ...undone }),

  RecordRunArtifact: z.strictObject({ runId, ...file, deletedVersions }),
  RemoveRunArtifacts: z.strictObject({ runId, path, deletedVersions }),
  /** From the edge, which knows before any bytes come what a registered version is made of: so that it is known who tried. */
  RefuseRunArtifactWrite: z.strictObject({ runId, path, registeredAs }),
  RefuseLoggedModelArtifactWrite: z.strictObject({ loggedModelId, path, registeredAs }),
  RecordLoggedModelArtifact: z.strictObject({ loggedModelId, ...file, deletedVersions }),
  RemoveLoggedModelArtifacts: z.strictObject({ loggedModelId, path, deletedVersions }),
  /** `folder` is the first part of a path that belongs to no run and no logged model, `.` if it has but one; `path` is the rest. */
  RecordFolderArtifact: z.strictObject({ folder: upTo(250).min(1), ...file }),
  RemoveFolderArtifacts: z.strictObject({ folder: upTo(250).min(1), path }),

  /** `source`: its address. */
  StartImport: z.strictObject({ importId, source: location }),
  CompleteImport: z.strictObject({ importId, counts: z.array(importCount).max(100) }),

  CreateWorkspace: z.strictObject({ name: workspaceName, description, defaultArtifactRoot: location.nullable() }),
  /** Absent changes nothing; a root that is null goes back to the platform's. */
  ChangeWorkspace: z.strictObject({
    name: workspaceName,
    description: description.optional(),
    defaultArtifactRoot: location.nullable().optional(),
  }),
  /** What holds something is not deleted. */
  DeleteWorkspace: z.strictObject({ name: workspaceName, holds: z.array(held).max(100) }),

  // A secret is stored before; these carry its version. Whether the address may be called is asked at the edge.
  CreateWebhook: webhookSettings.extend({ webhookId }),
  /** Absent changes nothing. */
  ChangeWebhook: webhookSettings.partial().extend({ webhookId }),
  DeleteWebhook: z.strictObject({ webhookId }),
  RedeliverWebhook: z.strictObject({ webhookId, deliveryId: z.uuid() }),
  /** From the sender itself. */
  AbandonWebhookDelivery: z.strictObject({
    webhookId,
    deliveryId: z.uuid(),
    eventId: z.uuid(),
    event: webhookEvent,
    tries: z.int().min(1),
    responseStatus: z.int().nullable(),
    reason: upTo(1000),
  }),
} as const;

export type RegistryCommand = CommandOf<typeof registryCommands>;
