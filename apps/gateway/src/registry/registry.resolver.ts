import { mayAdminister } from '@kontor/event-sourcing';
import { DEFAULT_WORKSPACE } from '@kontor/service/process';
import { pageRows } from '../graphql/connection.js';
import type { GraphContext, Momentary } from '../graphql/context.js';
import { momentOf } from '../graphql/context.js';
import { requestError } from '../graphql/errors.js';
import type { Resolvers } from '../graphql/generated/types.js';
import type { Where } from '../graphql/rows.js';
import { nodeId, readAll, readOne, readPage, within } from '../graphql/read.js';
import { refusePast } from '../log/log.resolvers.js';
import { subjectEntity } from '../governance/governance.entities.js';
import { evaluationEntity } from '../monitoring/monitoring.entities.js';
import {
  aliasMoveEntity,
  artifactEntity,
  datasetRecordEntity,
  evaluationDatasetEntity,
  experimentEntity,
  latestMetricEntity,
  loggedModelEntity,
  metricBatchEntity,
  modelVersionEntity,
  registeredModelEntity,
  runEntity,
  traceEntity,
  scorerEntity,
  scorerVersionEntity,
  webhookEntity,
  workspaceEntity,
} from './registry.entities.js';
import { previewUndo } from './undo.js';
import { isDeliveryId } from './webhook-deliveries.js';

/** @throws CURSOR_INVALID for what cannot be the id of a delivery. */
const cursorOf = (after: string | null | undefined): string | undefined => {
  if (after === null || after === undefined) return undefined;
  if (isDeliveryId(after)) return after;
  throw requestError('CURSOR_INVALID', 'after: not the id of a delivery; start again without it');
};

/** The registered model that has a name at the parent's moment; a deleted one does not have it any more. */
export const modelByName = async (name: string, parent: Momentary | undefined, context: GraphContext) => {
  const page = { workspace: context.workspace, where: { name, deleted: false }, limit: 1 };
  const [model] = await context.rows.page(registeredModelEntity, page, momentOf(parent, context));
  return model;
};

/** A version by its model's name and its number, at the parent's moment. */
export const versionByName = async (
  { modelName, version }: { readonly modelName: string; readonly version: number },
  parent: Momentary | undefined,
  context: GraphContext,
) => {
  const model = await modelByName(modelName, parent, context);
  return model && readOne(modelVersionEntity, [model.modelId, version], model, context);
};

/** What a workspace has that is shown: it is not deleted, and `default` to whoever may not make others. */
export const shownWorkspaces = ({ principal }: GraphContext): Where => ({
  deleted: false,
  ...(!mayAdminister(principal.actor) && { name: DEFAULT_WORKSPACE }),
});

type Types =
  | 'Query'
  | 'AliasMove'
  | 'Artifact'
  | 'Assessment'
  | 'EvaluationDataset'
  | 'Experiment'
  | 'LoggedModel'
  | 'Metric'
  | 'MetricBatch'
  | 'ModelAlias'
  | 'ModelVersion'
  | 'RegisteredModel'
  | 'Run'
  | 'Trace'
  | 'Scorer'
  | 'ScorerVersion'
  | 'Webhook'
  | 'WebhookDelivery'
  | 'Workspace';

/** Experiments, runs, logged models, registered models, versions and artifacts as people read them. */
export const registryQueries: Pick<Resolvers, Types> = {
  Query: {
    experiment: (parent, { experimentId }, context) => readOne(experimentEntity, [experimentId], parent, context),
    experimentByName: async (parent, { name }, context) => {
      const page = { workspace: context.workspace, where: { name }, limit: 1 };
      const [experiment] = await context.rows.page(experimentEntity, page, momentOf(parent, context));
      return experiment;
    },
    experiments: (parent, { deleted, ...page }, context) =>
      readPage(experimentEntity, page, { deleted }, parent, context),
    run: (parent, { runId }, context) => readOne(runEntity, [runId], parent, context),
    runs: (parent, { experimentId, ...page }, context) => readPage(runEntity, page, { experimentId }, parent, context),
    loggedModel: (parent, { loggedModelId }, context) => readOne(loggedModelEntity, [loggedModelId], parent, context),
    loggedModels: (parent, { experimentId, ...page }, context) =>
      readPage(loggedModelEntity, page, { experimentId }, parent, context),
    trace: (parent, { traceId }, context) => readOne(traceEntity, [traceId], parent, context),
    registeredModel: (parent, { name }, context) => modelByName(name, parent, context),
    registeredModels: (parent, page, context) =>
      readPage(registeredModelEntity, page, { deleted: false }, parent, context),
    modelVersion: (parent, args, context) => versionByName(args, parent, context),
    modelVersions: (parent, { manifestDigest, ...page }, context) =>
      readPage(modelVersionEntity, page, { manifestDigest }, parent, context),
    artifacts: (parent, { owner, ...page }, context) => readPage(artifactEntity, page, { owner }, parent, context),
    workspaces: (parent, page, context) => readPage(workspaceEntity, page, shownWorkspaces(context), parent, context),
    scorer: (parent, { scorerId }, context) => readOne(scorerEntity, [scorerId], parent, context),
    scorers: (parent, { experimentId, ...page }, context) =>
      readPage(scorerEntity, page, { experimentId }, parent, context),
    evaluationDataset: (parent, { datasetId }, context) =>
      readOne(evaluationDatasetEntity, [datasetId], parent, context),
    evaluationDatasets: (parent, page, context) => readPage(evaluationDatasetEntity, page, {}, parent, context),
    webhook: (parent, { webhookId }, context) => readOne(webhookEntity, [webhookId], parent, context),
    webhooks: (parent, { deleted, ...page }, context) => readPage(webhookEntity, page, { deleted }, parent, context),
    undoPreview: (parent, { position }, context) => {
      refusePast('undoPreview', parent);
      return previewUndo(position, context);
    },
  },
  AliasMove: {
    id: nodeId(aliasMoveEntity),
    modelVersion: (row, _args, context) =>
      row.version === null ? null : readOne(modelVersionEntity, [row.modelId, row.version], row, context),
  },
  Artifact: { id: nodeId(artifactEntity) },
  Assessment: { errorMessage: ({ error }) => error && (error.errorMessage ?? error.errorCode) },
  EvaluationDataset: {
    id: nodeId(evaluationDatasetEntity),
    records: (row, page, context) => readPage(datasetRecordEntity, page, { datasetId: row.datasetId }, row, context),
  },
  Experiment: {
    id: nodeId(experimentEntity),
    runs: (row, page, context) => readPage(runEntity, page, { experimentId: row.experimentId }, row, context),
    loggedModels: (row, page, context) =>
      readPage(loggedModelEntity, page, { experimentId: row.experimentId }, row, context),
  },
  LoggedModel: {
    id: nodeId(loggedModelEntity),
    experiment: (row, _args, context) => readOne(experimentEntity, [row.experimentId], row, context),
    sourceRun: (row, _args, context) =>
      row.sourceRunId === null ? null : readOne(runEntity, [row.sourceRunId], row, context),
    artifacts: (row, page, context) =>
      readPage(artifactEntity, page, { owner: `logged-model:${row.loggedModelId}` }, row, context),
  },
  Metric: {
    value: ({ isNaN, value }) => (isNaN ? null : value),
  },
  MetricBatch: { id: nodeId(metricBatchEntity), key: ({ metric }) => metric },
  ModelAlias: {
    modelVersion: (alias, _args, context) =>
      readOne(modelVersionEntity, [alias.modelId, alias.version], alias, context),
  },
  ModelVersion: {
    id: nodeId(modelVersionEntity),
    model: (row, _args, context) => readOne(registeredModelEntity, [row.modelId], row, context),
    run: (row, _args, context) => (row.runId === null ? null : readOne(runEntity, [row.runId], row, context)),
    loggedModel: (row, _args, context) =>
      row.loggedModelId === null ? null : readOne(loggedModelEntity, [row.loggedModelId], row, context),
    aliases: async (row, _args, context) => {
      const model = await readOne(registeredModelEntity, [row.modelId], row, context);
      return (model?.aliases ?? []).filter(({ version }) => version === row.version).map(({ alias }) => alias);
    },
    files: ({ artifacts }) => artifacts?.files ?? [],
    servable: ({ artifacts }) => artifacts?.servable ?? null,
    subject: (row, _args, context) =>
      row.manifestDigest === null ? null : readOne(subjectEntity, [row.manifestDigest], row, context),
    evaluations: async (row, page, context) => {
      const model = await readOne(registeredModelEntity, [row.modelId], row, context);
      const where = { modelName: model?.name ?? '', versionNumber: row.version };
      return readPage(evaluationEntity, page, where, row, context);
    },
  },
  RegisteredModel: {
    id: nodeId(registeredModelEntity),
    aliases: (row) => row.aliases.map((alias) => within({ ...alias, modelId: row.modelId }, row)),
    aliasMoves: (row, { alias, ...page }, context) =>
      readPage(aliasMoveEntity, page, { modelId: row.modelId, alias }, row, context),
    versions: (row, page, context) => readPage(modelVersionEntity, page, { modelId: row.modelId }, row, context),
    version: (row, { version }, context) => readOne(modelVersionEntity, [row.modelId, version], row, context),
  },
  Run: {
    id: nodeId(runEntity),
    experiment: (row, _args, context) => readOne(experimentEntity, [row.experimentId], row, context),
    metrics: async (row, _args, context) => {
      const rows = await readAll(latestMetricEntity, { runKey: row.key }, row, context);
      return rows.map(({ metric, ...point }) => ({ ...point, key: metric }));
    },
    metricHistory: (row, { key, ...page }, context) =>
      readPage(metricBatchEntity, page, { runId: row.runId, metric: key }, row, context),
    artifacts: (row, page, context) => readPage(artifactEntity, page, { owner: `run:${row.runId}` }, row, context),
  },
  Trace: {
    id: nodeId(traceEntity),
    experiment: (row, _args, context) => readOne(experimentEntity, [row.experimentId], row, context),
  },
  Scorer: {
    id: nodeId(scorerEntity),
    experiment: (row, _args, context) => readOne(experimentEntity, [row.experimentId], row, context),
    versions: (row, page, context) => readPage(scorerVersionEntity, page, { scorerId: row.scorerId }, row, context),
  },
  ScorerVersion: { id: nodeId(scorerVersionEntity) },
  Webhook: {
    id: nodeId(webhookEntity),
    deliveries: async ({ webhookId }, { first, after, state }, { workspace, deliveries }) => {
      const limit = pageRows(first);
      const cursor = cursorOf(after);
      const found = await deliveries.page({ workspace, webhookId, state, limit: limit + 1, after: cursor });
      const nodes = found.slice(0, limit);
      return { nodes, endCursor: found.length > limit ? nodes.at(-1)?.deliveryId : null };
    },
  },
  WebhookDelivery: {
    dueAt: ({ state, dueAt }) => (state === 'WAITING' ? dueAt : null),
  },
  Workspace: { id: nodeId(workspaceEntity) },
};
