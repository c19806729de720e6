import { entity } from '../graphql/entity.js';
import { endpoints } from './endpoints.projection.js';
import { rollouts } from './rollouts.projection.js';

export const endpointEntity = entity('Endpoint', endpoints, {
  columns: { endpoint: 'text', environment: 'text' },
  indexes: [['workspace', 'endpoint', 'key']],
  order: { column: 'endpoint', descending: false },
});

export const rolloutEntity = entity('Rollout', rollouts, {
  columns: { requestedAt: 'text', endpoint: 'text', state: 'text', modelName: 'text' },
  indexes: [
    ['workspace', 'requestedAt', 'key'],
    ['workspace', 'endpoint', 'requestedAt', 'key'],
  ],
  order: { column: 'requestedAt', descending: true },
});
