import type { RegistryEvent } from '@kontor/domain/registry';
import type { Projection } from '@kontor/event-sourcing';
import { entity } from '../graphql/entity.js';
import { aliasMoves } from './alias-moves.projection.js';
import { artifacts } from './artifacts.projection.js';
import { evaluationDatasetRecords, evaluationDatasets } from './evaluation-datasets.projection.js';
import { experiments } from './experiments.projection.js';
import { latestMetrics, type LatestMetricRow } from './latest-metrics.projection.js';
import { loggedModels } from './logged-models.projection.js';
import { metricHistory } from './metric-history.projection.js';
import { modelVersions } from './model-versions.projection.js';
import { registeredModels } from './registered-models.projection.js';
import { runs } from './runs.projection.js';
import { traceSpans } from './trace-spans.projection.js';
import { traces } from './traces.projection.js';
import { scorers, scorerVersions } from './scorers.projection.js';
import { webhooks } from './webhooks.projection.js';
import { workspaces } from './workspaces.projection.js';

export const experimentEntity = entity('Experiment', experiments, {
  columns: { createdAt: 'text', experimentId: 'text', name: 'text', deleted: 'boolean' },
  indexes: [
    ['workspace', 'createdAt', 'key'],
    ['workspace', 'name'],
  ],
  order: { column: 'createdAt', descending: true },
  personal: ['tags'],
});

export const runEntity = entity('Run', runs, {
  columns: { createdAt: 'text', experimentId: 'text', deleted: 'boolean', startTimeMs: 'bigint', status: 'text' },
  indexes: [
    ['workspace', 'experimentId', 'createdAt', 'key'],
    ['workspace', 'experimentId', 'startTimeMs'],
  ],
  order: { column: 'createdAt', descending: true },
  personal: ['userId', 'tags'],
});

/** Parts of runs: nobody asks for one by an id, and all who read them name a run or a metric. */
export const latestMetricEntity = entity('Metric', latestMetrics as Projection<LatestMetricRow, RegistryEvent>, {
  columns: { runKey: 'text', metric: 'text', experimentId: 'text', isNaN: 'boolean', value: 'double precision' },
  indexes: [
    ['runKey', 'metric'],
    ['workspace', 'experimentId', 'metric', 'isNaN', 'value'],
  ],
  order: { column: 'metric', descending: false },
});

export const metricBatchEntity = entity('MetricBatch', metricHistory, {
  columns: { runId: 'text', metric: 'text', loggedModelId: 'text', logged: 'text' },
  indexes: [
    ['workspace', 'runId', 'metric', 'logged', 'key'],
    ['workspace', 'loggedModelId', 'metric'],
  ],
  order: { column: 'logged', descending: false },
});

export const loggedModelEntity = entity('LoggedModel', loggedModels, {
  columns: { createdAt: 'text', experimentId: 'text', sourceRunId: 'text', deleted: 'boolean' },
  indexes: [['workspace', 'experimentId', 'createdAt', 'key']],
  order: { column: 'createdAt', descending: true },
  personal: ['tags'],
});

export const traceEntity = entity('Trace', traces, {
  columns: { experimentId: 'text', requestTimeMs: 'bigint', deleted: 'boolean' },
  indexes: [['workspace', 'experimentId', 'requestTimeMs', 'key']],
  order: { column: 'requestTimeMs', descending: true },
  personal: ['requestPreview', 'responsePreview', 'metadata', 'tags', 'assessments'],
});

/** Parts of traces: nobody asks for one by an id. */
export const traceSpansEntity = entity('TraceSpans', traceSpans, {
  columns: { traceId: 'text', logged: 'text' },
  indexes: [['workspace', 'traceId', 'logged', 'key']],
  order: { column: 'logged', descending: false },
});

export const registeredModelEntity = entity('RegisteredModel', registeredModels, {
  columns: { name: 'text', modelId: 'text', deleted: 'boolean', isPrompt: 'boolean' },
  indexes: [['workspace', 'name', 'key']],
  order: { column: 'name', descending: false },
  personal: ['tags'],
});

export const aliasMoveEntity = entity('AliasMove', aliasMoves, {
  columns: { modelId: 'text', modelName: 'text', alias: 'text', moved: 'text' },
  indexes: [
    ['workspace', 'modelId', 'alias', 'moved'],
    ['workspace', 'modelName'],
  ],
  order: { column: 'moved', descending: true },
});

export const modelVersionEntity = entity('ModelVersion', modelVersions, {
  columns: {
    createdAt: 'text',
    updatedAt: 'text',
    modelId: 'text',
    manifestDigest: 'text',
    runId: 'text',
    loggedModelId: 'text',
    deleted: 'boolean',
    stage: 'text',
    version: 'integer',
  },
  indexes: [
    ['workspace', 'modelId', 'createdAt', 'key'],
    ['workspace', 'modelId', 'stage', 'deleted', 'version'],
    ['workspace', 'modelId', 'updatedAt'],
    ['workspace', 'updatedAt'],
    ['workspace', 'manifestDigest'],
    // What a version was made of is not deleted or written to, so each deletion and each stored file asks for them.
    ['workspace', 'runId'],
    ['workspace', 'loggedModelId'],
  ],
  order: { column: 'createdAt', descending: true },
  personal: ['tags'],
});

export const artifactEntity = entity('Artifact', artifacts, {
  columns: { path: 'text', owner: 'text', digest: 'text' },
  indexes: [['workspace', 'owner', 'path', 'key']],
  order: { column: 'path', descending: false },
});

export const webhookEntity = entity('Webhook', webhooks, {
  columns: { createdAt: 'text', deleted: 'boolean' },
  indexes: [['workspace', 'createdAt', 'key']],
  order: { column: 'createdAt', descending: true },
});

export const scorerEntity = entity('Scorer', scorers, {
  columns: { experimentId: 'text', name: 'text', scorerId: 'text' },
  indexes: [['workspace', 'experimentId', 'name', 'key']],
  order: { column: 'name', descending: false },
});

export const scorerVersionEntity = entity('ScorerVersion', scorerVersions, {
  columns: { scorerId: 'text', version: 'bigint' },
  indexes: [['workspace', 'scorerId', 'version', 'key']],
  order: { column: 'version', descending: true },
});

export const evaluationDatasetEntity = entity('EvaluationDataset', evaluationDatasets, {
  columns: { createdAt: 'text', datasetId: 'text', name: 'text' },
  indexes: [['workspace', 'createdAt', 'key']],
  order: { column: 'createdAt', descending: true },
  personal: ['tags'],
});

/** Parts of datasets: nobody asks for one by an id. Those of a deleted dataset keep their rows. */
export const datasetRecordEntity = entity('DatasetRecord', evaluationDatasetRecords, {
  columns: { datasetId: 'text', recordId: 'text', inserted: 'text' },
  indexes: [
    ['workspace', 'datasetId', 'inserted', 'key'],
    ['workspace', 'datasetId', 'recordId'],
  ],
  order: { column: 'inserted', descending: false },
  personal: ['tags'],
});

/** All of them are rows of the workspace `default`. */
export const workspaceEntity = entity('Workspace', workspaces, {
  columns: { name: 'text', deleted: 'boolean' },
  indexes: [['workspace', 'name', 'key']],
  order: { column: 'name', descending: false },
});
