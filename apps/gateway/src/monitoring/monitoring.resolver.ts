import { endpointEntity } from '../deployment/deployment.entities.js';
import type { Resolvers } from '../graphql/generated/types.js';
import { nodeId, readOne, readPage, within } from '../graphql/read.js';
import {
  alertEntity,
  baselineEntity,
  dataSourceEntity,
  driftEntity,
  evaluationEntity,
  monitorEntity,
  windowEntity,
} from './monitoring.entities.js';

type Types =
  | 'Query'
  | 'Alert'
  | 'Baseline'
  | 'DataSource'
  | 'DataSourceChange'
  | 'Drift'
  | 'Evaluation'
  | 'EvaluationComparison'
  | 'Monitor'
  | 'Window';

/** Baselines, monitors, windows, drift, alerts, data sources and evaluations as people read them. */
export const monitoringQueries: Pick<Resolvers, Types> = {
  Query: {
    baseline: (parent, { baselineId }, context) => readOne(baselineEntity, [baselineId], parent, context),
    baselines: (parent, { modelName, ...page }, context) =>
      readPage(baselineEntity, page, { modelName }, parent, context),
    monitor: (parent, { monitorId }, context) => readOne(monitorEntity, [monitorId], parent, context),
    monitors: (parent, { endpoint, ...page }, context) => readPage(monitorEntity, page, { endpoint }, parent, context),
    window: (parent, { monitorId, start }, context) => readOne(windowEntity, [monitorId, start], parent, context),
    windows: (parent, { monitorId, endpoint, ...page }, context) =>
      readPage(windowEntity, page, { monitorId, endpoint }, parent, context),
    drift: (parent, { monitorId, start }, context) => readOne(driftEntity, [monitorId, start], parent, context),
    drifts: (parent, { monitorId, endpoint, ...page }, context) =>
      readPage(driftEntity, page, { monitorId, endpoint }, parent, context),
    alert: (parent, { alertId }, context) => readOne(alertEntity, [alertId], parent, context),
    alerts: (parent, { monitorId, endpoint, state, ...page }, context) =>
      readPage(alertEntity, page, { monitorId, endpoint, state }, parent, context),
    dataSource: (parent, { dataSourceId }, context) => readOne(dataSourceEntity, [dataSourceId], parent, context),
    dataSources: (parent, page, context) => readPage(dataSourceEntity, page, {}, parent, context),
    evaluation: (parent, { evaluationId }, context) => readOne(evaluationEntity, [evaluationId], parent, context),
    evaluations: (parent, { endpoint, modelName, version, ...page }, context) =>
      readPage(evaluationEntity, page, { endpoint, modelName, versionNumber: version }, parent, context),
  },
  Alert: {
    id: nodeId(alertEntity),
    endpointName: ({ endpoint }) => endpoint,
    endpoint: (row, _args, context) => readOne(endpointEntity, [row.endpoint], row, context),
  },
  Baseline: { id: nodeId(baselineEntity), version: (row) => within(row.version, row) },
  DataSource: { id: nodeId(dataSourceEntity) },
  DataSourceChange: { endpointName: ({ endpoint }) => endpoint },
  Drift: { id: nodeId(driftEntity), endpointName: ({ endpoint }) => endpoint },
  Evaluation: {
    id: nodeId(evaluationEntity),
    endpointName: ({ endpoint }) => endpoint,
    version: (row) => within(row.version, row),
    comparedWith: (row) => row.comparedWith && within(row.comparedWith, row),
  },
  EvaluationComparison: { version: (comparison) => within(comparison.version, comparison) },
  Monitor: {
    id: nodeId(monitorEntity),
    endpointName: ({ endpoint }) => endpoint,
    endpoint: (row, _args, context) => readOne(endpointEntity, [row.endpoint], row, context),
    baseline: (row, _args, context) => readOne(baselineEntity, [row.baselineId], row, context),
    dataSources: async (row, _args, context) => {
      const found = await Promise.all(row.dataSourceIds.map((id) => readOne(dataSourceEntity, [id], row, context)));
      return found.filter((source) => source !== undefined);
    },
    windows: (row, page, context) => readPage(windowEntity, page, { monitorId: row.monitorId }, row, context),
    alerts: (row, { state, ...page }, context) =>
      readPage(alertEntity, page, { monitorId: row.monitorId, state }, row, context),
  },
  Window: {
    id: nodeId(windowEntity),
    endpointName: ({ endpoint }) => endpoint,
    drift: (row, _args, context) => readOne(driftEntity, [row.monitorId, row.start], row, context),
  },
};
