import { entity } from '../graphql/entity.js';
import { alerts } from './alerts.projection.js';
import { baselines } from './baselines.projection.js';
import { dataSources } from './data-sources.projection.js';
import { drift } from './drift.projection.js';
import { evaluations } from './evaluations.projection.js';
import { monitors } from './monitors.projection.js';
import { windows } from './windows.projection.js';

export const baselineEntity = entity('Baseline', baselines, {
  columns: { requestedAt: 'text', modelName: 'text' },
  indexes: [['workspace', 'requestedAt', 'key']],
  order: { column: 'requestedAt', descending: true },
});

export const monitorEntity = entity('Monitor', monitors, {
  columns: { monitorId: 'text', endpoint: 'text' },
  indexes: [['workspace', 'monitorId', 'key']],
  order: { column: 'monitorId', descending: false },
});

export const windowEntity = entity('Window', windows, {
  columns: { start: 'text', monitorId: 'text', endpoint: 'text' },
  indexes: [['workspace', 'monitorId', 'start', 'key']],
  order: { column: 'start', descending: true },
});

export const driftEntity = entity('Drift', drift, {
  columns: { start: 'text', monitorId: 'text', endpoint: 'text' },
  indexes: [['workspace', 'monitorId', 'start', 'key']],
  order: { column: 'start', descending: true },
});

export const alertEntity = entity('Alert', alerts, {
  columns: { raisedAt: 'text', monitorId: 'text', endpoint: 'text', state: 'text' },
  indexes: [['workspace', 'raisedAt', 'key']],
  order: { column: 'raisedAt', descending: true },
  personal: ['acknowledgement'],
});

export const dataSourceEntity = entity('DataSource', dataSources, {
  columns: { dataSourceId: 'text' },
  indexes: [['workspace', 'dataSourceId', 'key']],
  order: { column: 'dataSourceId', descending: false },
});

export const evaluationEntity = entity('Evaluation', evaluations, {
  columns: { requestedAt: 'text', endpoint: 'text', modelName: 'text', versionNumber: 'integer' },
  indexes: [['workspace', 'requestedAt', 'key']],
  order: { column: 'requestedAt', descending: true },
});
