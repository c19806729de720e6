import { type EventOf, personal } from '@kontor/event-sourcing';
import { z } from 'zod';
import { actorId, digest, instant, slug, text, versionNumber } from '../values.js';
import { versionArtifacts } from '../version-artifacts.js';
import { traceEvents } from './trace-events.js';
import { experimentId, keyValue, loggedModelId, modelId, runId, tagValue } from './values.js';

export { experimentId, type KeyValue, loggedModelId, modelId, PERSONAL_TAGS, runId, tagValue } from './values.js';

/** The correlation id of everything that the import brought. */
export const importId = z.uuid();

const tag = z.strictObject({ key: z.string(), value: tagValue(z.string()) });

export const stage = z.enum(['None', 'Staging', 'Production', 'Archived']);
export type Stage = z.output<typeof stage>;

/** One point of a metric. NaN is `isNaN` with value 0; an infinity is the largest double of its sign. */
export const metricPoint = z.strictObject({
  key: z.string(),
  value: z.number(),
  isNaN: z.boolean(),
  timestampMs: z.int(),
  step: z.int(),
  loggedModelId: loggedModelId.nullable(),
  datasetName: z.string().nullable(),
  datasetDigest: z.string().nullable(),
});
export type MetricPoint = z.output<typeof metricPoint>;

/** What the registry that something was imported from said of it. */
const importedFrom = {
  importId,
  /** When it was last changed there. */
  updatedAt: instant,
};
/** Absent on what was made here. */
export const imported = z.strictObject(importedFrom).optional();
/** The number may be another one here. */
export const importedExperiment = z.strictObject({ ...importedFrom, experimentId: z.string() }).optional();

/** How many of a kind there are at the source, and here. */
export const importCount = z.strictObject({ what: z.string(), atSource: z.int().min(0), here: z.int().min(0) });
export type ImportCount = z.output<typeof importCount>;

/** A dataset that a run read. It is one per experiment, name and digest. */
export const runDataset = z.strictObject({
  name: z.string(),
  digest: z.string(),
  sourceType: z.string(),
  source: z.string(),
  /** The text, or above 64 KiB its digest in the content store. */
  schema: z.string().nullable(),
  profile: z.string().nullable(),
  tags: z.array(keyValue),
});
export type RunDataset = z.output<typeof runDataset>;

export const runOutput = z.strictObject({ loggedModelId, step: z.int() });

/** What a tag belongs to, or a deletion is of. A version is named by its model's id and its number. */
export const tagTarget = z.discriminatedUnion('aggregate', [
  z.strictObject({ aggregate: z.literal('experiment'), experimentId }),
  z.strictObject({ aggregate: z.literal('run'), runId }),
  z.strictObject({ aggregate: z.literal('logged-model'), loggedModelId }),
  z.strictObject({ aggregate: z.literal('registered-model'), modelId }),
  z.strictObject({ aggregate: z.literal('model-version'), modelId, version: versionNumber }),
]);
export type TagTarget = z.output<typeof tagTarget>;

/** Whose files an artifact is among. A folder holds paths that belong to no run and no logged model. */
export const artifactOwner = z.discriminatedUnion('aggregate', [
  z.strictObject({ aggregate: z.literal('run'), runId }),
  z.strictObject({ aggregate: z.literal('logged-model'), loggedModelId }),
  z.strictObject({ aggregate: z.literal('artifact-folder'), folder: z.string() }),
]);
export type ArtifactOwner = z.output<typeof artifactOwner>;

/**
 * What a webhook can be told of: entity and action.
 *
 * @source MLflow 3.18, `mlflow/entities/webhook.py`. The budgets are of its gateway to language models: nothing here exceeds one.
 */
export const WEBHOOK_EVENTS = [
  'registered_model.created',
  'model_version.created',
  'model_version_tag.set',
  'model_version_tag.deleted',
  'model_version_alias.created',
  'model_version_alias.deleted',
  'prompt.created',
  'prompt_version.created',
  'prompt_tag.set',
  'prompt_tag.deleted',
  'prompt_version_tag.set',
  'prompt_version_tag.deleted',
  'prompt_alias.created',
  'prompt_alias.deleted',
  'budget_policy.exceeded',
] as const;
export const webhookEvent = z.enum(WEBHOOK_EVENTS);
export type WebhookEvent = z.output<typeof webhookEvent>;

export const webhookStatus = z.enum(['ACTIVE', 'DISABLED']);

const webhookSettings = z.strictObject({
  name: z.string(),
  url: z.string(),
  events: z.array(webhookEvent),
  description: z.string(),
  status: webhookStatus,
  /** Of the secret that signs; the secret itself is never in an event. Null: nothing is signed. */
  secretVersion: z.int().min(1).nullable(),
});
export type WebhookSettings = z.output<typeof webhookSettings>;

/** Null also where it is personal: it stays in the event that set it, under the key of who wrote it, and nowhere else. */
const previousValue = z.string().nullable();

const model = { modelId, name: z.string() };
const version = { ...model, version: versionNumber };
/** Why, where somebody said it. */
const why = { reason: text.optional() };

/** A scorer is one per experiment and name, also after it was deleted. */
const scorer = { scorerId: z.uuid(), experimentId, name: z.string() };

/** Where a record of an evaluation dataset comes from. `sourceData` is JSON. */
const recordSource = z.strictObject({
  sourceType: z.enum(['UNSPECIFIED', 'TRACE', 'HUMAN', 'DOCUMENT', 'CODE']),
  sourceData: z.string(),
});

/**
 * A record of an evaluation dataset. Inputs, outputs and the values of expectations are JSON as Python writes it, so that a client
 * reads back what it wrote: 1.0 stays 1.0. The id follows from dataset and inputs.
 */
export const datasetRecord = z.strictObject({
  recordId: z.string(),
  inputs: z.string(),
  /** Null where there are none. */
  outputs: z.string().nullable(),
  expectations: z.array(keyValue).nullable(),
  tags: z.array(tag),
  source: recordSource.nullable(),
});
export type DatasetRecord = z.output<typeof datasetRecord>;

/** What the schema of an evaluation dataset says of a key. Null: outputs that are no object. */
export const datasetField = z.strictObject({
  group: z.enum(['inputs', 'outputs', 'expectations']),
  key: z.string().nullable(),
  type: z.string(),
});
export type DatasetField = z.output<typeof datasetField>;

const dataset = { datasetId: z.string() };

/** A version that must stay, and what holds it: endpoints that serve it, protected aliases that point to it. */
export const keptVersion = z.strictObject({
  modelName: z.string(),
  version: versionNumber,
  endpoints: z.array(slug),
  aliases: z.array(z.string()),
});
export type KeptVersion = z.output<typeof keptVersion>;
/** `defaultArtifactRoot` null: the files of its experiments lie where the platform puts them. */
const workspace = { name: z.string(), description: z.string(), defaultArtifactRoot: z.string().nullable() };

/**
 * What the registry records. When something happened is the event's `recordedAt`, or its `occurredAt` if it was imported;
 * who did it is its `actor`.
 */
export const registryEvents = {
  ExperimentCreated: z.strictObject({
    experimentId,
    name: z.string(),
    artifactLocation: z.string(),
    tags: z.array(tag),
    importedFrom: importedExperiment,
  }),
  ExperimentRenamed: z.strictObject({ experimentId, name: z.string(), previousName: z.string() }),
  /** Its runs are deleted with it: no event of theirs. */
  ExperimentDeleted: z.strictObject({ experimentId }),
  /** Restores all its runs, also those deleted one by one before, unless it says that those stay deleted. */
  ExperimentRestored: z.strictObject({ experimentId, keepsDeletedRuns: z.literal(true).optional() }),

  RunStarted: z.strictObject({
    runId,
    experimentId,
    name: z.string(),
    userId: personal(z.string()),
    startTimeMs: z.int(),
    artifactUri: z.string(),
    tags: z.array(tag),
  }),
  RunFinished: z.strictObject({
    runId,
    status: z.enum(['FINISHED', 'FAILED', 'KILLED']),
    endTimeMs: z.int().nullable(),
  }),
  /** `endTimeMs` null: the run has no end (any more). */
  RunResumed: z.strictObject({ runId, status: z.enum(['RUNNING', 'SCHEDULED']), endTimeMs: z.int().nullable() }),
  RunRenamed: z.strictObject({ runId, name: z.string(), previousName: z.string() }),
  /** Only what was new: points that are not there yet, params and tags whose value changes. */
  RunDataLogged: z.strictObject({
    runId,
    metrics: z.array(metricPoint),
    params: z.array(keyValue),
    tags: z.array(tag.extend({ previousValue })),
  }),
  RunInputsLogged: z.strictObject({
    runId,
    datasets: z.array(runDataset),
    loggedModelIds: z.array(loggedModelId),
  }),
  RunOutputsLogged: z.strictObject({ runId, models: z.array(runOutput) }),
  RunDeleted: z.strictObject({ runId }),
  RunRestored: z.strictObject({ runId }),

  LoggedModelCreated: z.strictObject({
    loggedModelId,
    experimentId,
    name: z.string(),
    modelType: z.string(),
    sourceRunId: z.string().nullable(),
    artifactUri: z.string(),
    params: z.array(keyValue),
    tags: z.array(tag),
    importedFrom: imported,
  }),
  LoggedModelFinalized: z.strictObject({
    loggedModelId,
    status: z.enum(['READY', 'UPLOAD_FAILED']),
    /** Of its files when it became ready; null if it has none or failed. */
    manifestDigest: digest.nullable(),
  }),
  LoggedModelParamsLogged: z.strictObject({ loggedModelId, params: z.array(keyValue) }),
  LoggedModelDeleted: z.strictObject({ loggedModelId }),

  /** A version of a scorer. `serializedScorer`: the JSON of MLflow's client, which alone runs it. */
  ScorerRegistered: z.strictObject({ ...scorer, version: versionNumber, serializedScorer: z.string() }),
  /** `versionsLeft`: with the last version the scorer is gone, and the settings of its automatic evaluation. */
  ScorerVersionsDeleted: z.strictObject({
    ...scorer,
    versions: z.array(versionNumber).min(1),
    versionsLeft: z.int().min(0),
  }),
  /** Which share of traces it is to score by itself. */
  OnlineScoringConfigured: z.strictObject({
    ...scorer,
    onlineScoringConfigId: z.string(),
    sampleRate: z.number().min(0).max(1),
    filterString: z.string().nullable(),
  }),

  EvaluationDatasetCreated: z.strictObject({
    ...dataset,
    name: z.string(),
    experimentIds: z.array(experimentId),
    tags: z.array(tag),
  }),
  EvaluationDatasetDeleted: z.strictObject(dataset),
  EvaluationDatasetTagsSet: z.strictObject({ ...dataset, tags: z.array(tag.extend({ previousValue })) }),
  EvaluationDatasetTagRemoved: z.strictObject({ ...dataset, key: z.string(), previousValue: z.string() }),
  EvaluationDatasetExperimentsAdded: z.strictObject({ ...dataset, experimentIds: z.array(experimentId) }),
  EvaluationDatasetExperimentsRemoved: z.strictObject({ ...dataset, experimentIds: z.array(experimentId) }),
  /** Only what was new: keys of the schema, records, and what changes of known records. */
  EvaluationDatasetRecordsMerged: z.strictObject({
    ...dataset,
    fields: z.array(datasetField),
    inserted: z.array(datasetRecord),
    updated: z.array(
      z.strictObject({
        recordId: z.string(),
        /** Absent: as they were. */
        outputs: z.string().nullable().optional(),
        expectations: z.array(keyValue),
        tags: z.array(tag),
      }),
    ),
  }),
  EvaluationDatasetRecordsDeleted: z.strictObject({ ...dataset, recordIds: z.array(z.string()) }),

  RegisteredModelCreated: z.strictObject({
    ...model,
    description: z.string().nullable(),
    tags: z.array(tag),
    isPrompt: z.boolean(),
    /** 1, or one above the highest number ever given under this name: numbers are never given twice. */
    firstVersion: versionNumber,
    importedFrom: imported,
  }),
  RegisteredModelRenamed: z.strictObject({ ...model, previousName: z.string() }),
  RegisteredModelDescribed: z.strictObject({
    ...model,
    description: z.string().nullable(),
    previousDescription: z.string().nullable(),
  }),
  /** Frees the name. All versions and their history stay, and come back with the model. */
  RegisteredModelDeleted: z.strictObject(model),
  RegisteredModelRestored: z.strictObject(model),
  AliasSet: z.strictObject({ ...version, alias: z.string(), previousVersion: versionNumber.nullable(), ...why }),
  AliasRemoved: z.strictObject({ ...version, alias: z.string(), ...why }),
  /** From now on only who may release moves the alias, and the version that it points to is not deleted. */
  AliasProtected: z.strictObject({ ...model, alias: z.string() }),
  AliasUnprotected: z.strictObject({ ...model, alias: z.string() }),
  /** Somebody without the right tried to move or remove a protected alias. */
  AliasChangeRefused: z.strictObject({
    ...model,
    alias: z.string(),
    /** Where it points to; null if it is not set. */
    heldVersion: versionNumber.nullable(),
    /** Where it was to point to; null to nothing. */
    wantedVersion: versionNumber.nullable(),
    by: actorId,
  }),
  ModelVersionRegistered: z.strictObject({
    ...version,
    source: z.string(),
    storageLocation: z.string(),
    runId: runId.nullable(),
    loggedModelId: loggedModelId.nullable(),
    runLink: z.string(),
    description: z.string(),
    tags: z.array(tag),
    /** Null where the files lie outside the platform and were not read. */
    artifacts: versionArtifacts.nullable(),
    registeredBy: actorId,
    /** Who started the run that made it; null if no run of this platform did. */
    trainedBy: actorId.nullable(),
    importedFrom: imported,
  }),
  StageChanged: z.strictObject({ ...version, stage, previousStage: stage }),
  ModelVersionDeleted: z.strictObject({ ...version, stage }),
  ModelVersionRestored: z.strictObject(version),
  ModelVersionDescribed: z.strictObject({
    modelId,
    version: versionNumber,
    description: z.string(),
    previousDescription: z.string(),
  }),

  ...traceEvents,

  /** Somebody tried to delete what serves traffic or what a protected alias points to, or what that was made of. */
  DeletionRefused: z.strictObject({ target: tagTarget, keptBy: z.array(keptVersion).min(1), by: actorId }),

  TagSet: tag.extend({ target: tagTarget, previousValue }),
  /** `previousValue` is empty where it is personal. */
  TagRemoved: z.strictObject({ target: tagTarget, key: z.string(), previousValue: z.string() }),

  /** A path became a name for these bytes. The bytes themselves are stored under their digest. */
  ArtifactStored: z.strictObject({
    owner: artifactOwner,
    path: z.string(),
    digest,
    sizeBytes: z.int().min(0),
    previousDigest: digest.nullable(),
  }),
  /** A version was registered from the files below the folder `path` (empty: from all of them): they stay what they are. */
  ArtifactsRegistered: z.strictObject({
    owner: artifactOwner,
    path: z.string(),
    modelId,
    modelName: z.string(),
    version: versionNumber,
  }),
  /** Somebody tried to store or remove a file that a registered version is made of. */
  ArtifactWriteRefused: z.strictObject({
    owner: artifactOwner,
    path: z.string(),
    registeredAs: z.strictObject({ modelName: z.string(), version: versionNumber }),
    by: actorId,
  }),
  /** The names are gone; the bytes stay as long as anything refers to them. */
  ArtifactRemoved: z.strictObject({
    owner: artifactOwner,
    /** The file or folder that was named. */
    path: z.string(),
    files: z.array(z.strictObject({ path: z.string(), digest })),
  }),

  /** Another registry is being read. `startedAt`: the ids of its commands follow from it. */
  ImportStarted: z.strictObject({ importId, source: z.string(), startedAt: instant }),
  /** All of it was read, and counted on both sides. */
  ImportCompleted: z.strictObject({ importId, source: z.string(), counts: z.array(importCount) }),

  /** Also of one that was deleted before: what was in it is in it again. */
  WorkspaceCreated: z.strictObject(workspace),
  WorkspaceChanged: z.strictObject({
    ...workspace,
    previousDescription: z.string(),
    previousDefaultArtifactRoot: z.string().nullable(),
  }),
  WorkspaceDeleted: z.strictObject({ name: z.string() }),

  WebhookCreated: webhookSettings.extend({ webhookId: z.uuid() }),
  /** Only what changed. */
  WebhookChanged: z.strictObject({
    webhookId: z.uuid(),
    changed: webhookSettings.partial(),
    previous: webhookSettings.partial(),
  }),
  /** What waits for it is not sent any more. */
  WebhookDeleted: z.strictObject({ webhookId: z.uuid() }),
  /** Somebody wants a message to be sent again, under its first id. */
  WebhookRedeliveryRequested: z.strictObject({ webhookId: z.uuid(), deliveryId: z.uuid() }),
  /** The target did not take a message, and it is not tried again unless somebody asks. */
  WebhookDeliveryAbandoned: z.strictObject({
    webhookId: z.uuid(),
    deliveryId: z.uuid(),
    /** Of the event that the message tells of. */
    eventId: z.uuid(),
    event: webhookEvent,
    tries: z.int().min(1),
    /** Of the last try; null if there was no answer. */
    responseStatus: z.int().nullable(),
    reason: z.string(),
  }),
} as const;

export type RegistryEvent = EventOf<typeof registryEvents>;
