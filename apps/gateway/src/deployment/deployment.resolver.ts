import type { Resolvers } from '../graphql/generated/types.js';
import { nodeId, readOne, readPage, within } from '../graphql/read.js';
import { gateDecisionEntity } from '../governance/governance.entities.js';
import { alertEntity, monitorEntity } from '../monitoring/monitoring.entities.js';
import { endpointEntity, rolloutEntity } from './deployment.entities.js';

/** Endpoints and rollouts as people read them. */
export const deploymentQueries: Pick<Resolvers, 'Query' | 'Endpoint' | 'Revision' | 'Rollout'> = {
  Query: {
    endpoint: (parent, { endpoint }, context) => readOne(endpointEntity, [endpoint], parent, context),
    endpoints: (parent, { environment, ...page }, context) =>
      readPage(endpointEntity, page, { environment }, parent, context),
    rollout: (parent, { rolloutId }, context) => readOne(rolloutEntity, [rolloutId], parent, context),
    rollouts: (parent, { endpoint, state, ...page }, context) =>
      readPage(rolloutEntity, page, { endpoint, state }, parent, context),
  },
  Endpoint: {
    id: nodeId(endpointEntity),
    revisions: (row) => row.revisions.map((revision) => within(revision, row)),
    serving: (row) => row.revisions.filter(({ weightBps }) => weightBps > 0).map((revision) => within(revision, row)),
    activeRollout: (row, _args, context) =>
      row.activeRolloutId === null ? null : readOne(rolloutEntity, [row.activeRolloutId], row, context),
    rollouts: (row, page, context) => readPage(rolloutEntity, page, { endpoint: row.endpoint }, row, context),
    monitors: (row, page, context) => readPage(monitorEntity, page, { endpoint: row.endpoint }, row, context),
    alerts: (row, { state, ...page }, context) =>
      readPage(alertEntity, page, { endpoint: row.endpoint, state }, row, context),
  },
  Revision: { version: (revision) => within(revision.version, revision) },
  Rollout: {
    id: nodeId(rolloutEntity),
    endpointName: ({ endpoint }) => endpoint,
    endpoint: (row, _args, context) => readOne(endpointEntity, [row.endpoint], row, context),
    version: (row) => within(row.version, row),
    gate: (row, _args, context) =>
      row.gateId === null ? null : readOne(gateDecisionEntity, [row.gateId], row, context),
  },
};
