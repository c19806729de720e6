import type { DeploymentEvent } from '@kontor/domain/deployment';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type DataOf<Type extends DeploymentEvent['type']> = Extract<DeploymentEvent, { type: Type }>['data'];

/** A model version at an endpoint, with what the data plane said when it loaded it. */
export interface RevisionRow {
  readonly revisionId: string;
  readonly version: DataOf<'RevisionAdded'>['version'];
  readonly servable: DataOf<'RevisionAdded'>['servable'];
  readonly state: 'ADDED' | 'LOADED' | 'FAILED';
  readonly weightBps: number;
  readonly addedAt: string;
  readonly loadedAt: string | null;
  readonly loadMs: number | null;
  readonly goldenRows: number | null;
  readonly goldenMaxDifference: number | null;
  readonly failure: string | null;
}

export interface EndpointRow {
  readonly endpoint: string;
  readonly environment: DataOf<'EndpointCreated'>['environment'];
  readonly description: string;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly suspension: { readonly reason: string; readonly by: string; readonly at: string } | null;
  readonly routeVersion: number;
  readonly activeRolloutId: string | null;
  readonly revisions: readonly RevisionRow[];
}

const withRevision = (row: EndpointRow, revisionId: string, change: Partial<RevisionRow>): EndpointRow => ({
  ...row,
  revisions: row.revisions.map((revision) =>
    revision.revisionId === revisionId ? { ...revision, ...change } : revision,
  ),
});

/** Endpoints with their revisions and the route as it stands. */
export const endpoints: Projection<EndpointRow, DeploymentEvent> = {
  name: 'endpoints',
  version: 1,
  canHandle: [
    'EndpointCreated',
    'RevisionAdded',
    'RevisionLoaded',
    'RevisionFailed',
    'LoadFailureReported',
    'RolloutRequested',
    'RolloutRefused',
    'WeightSet',
    'RolloutAborted',
    'RolloutPromoted',
    'EndpointSuspended',
    'UseCaseSuspensionLifted',
    'EndpointResumed',
  ],
  keys: ({ workspace, data }) => [rowKey(workspace, data.endpoint)],
  evolve: (row, event) => {
    if (event.type === 'EndpointCreated') {
      const { endpoint, environment, description } = event.data;
      return {
        endpoint,
        environment,
        description,
        createdAt: event.recordedAt,
        createdBy: event.actor,
        suspension: null,
        routeVersion: 0,
        activeRolloutId: null,
        revisions: [],
      };
    }
    if (row === undefined) return undefined;
    switch (event.type) {
      case 'RevisionAdded': {
        const { revisionId, version, servable } = event.data;
        const added: RevisionRow = {
          revisionId,
          version,
          servable,
          state: 'ADDED',
          weightBps: 0,
          addedAt: event.recordedAt,
          loadedAt: null,
          loadMs: null,
          goldenRows: null,
          goldenMaxDifference: null,
          failure: null,
        };
        return { ...row, revisions: [...row.revisions, added] };
      }
      case 'RevisionLoaded': {
        const { revisionId, loadMs, goldenRows, goldenMaxDifference } = event.data;
        return withRevision(row, revisionId, {
          state: 'LOADED',
          loadedAt: event.recordedAt,
          loadMs,
          goldenRows,
          goldenMaxDifference,
          failure: null,
        });
      }
      case 'RevisionFailed':
        return withRevision(row, event.data.revisionId, { state: 'FAILED', failure: event.data.reason });
      case 'LoadFailureReported':
        return withRevision(row, event.data.revisionId, { failure: event.data.reason });
      case 'WeightSet': {
        const weights = new Map(event.data.weights.map(({ revisionId, weightBps }) => [revisionId, weightBps]));
        return {
          ...row,
          routeVersion: event.data.routeVersion,
          revisions: row.revisions.map((revision) => ({
            ...revision,
            weightBps: weights.get(revision.revisionId) ?? 0,
          })),
        };
      }
      case 'RolloutRequested':
        return { ...row, activeRolloutId: event.data.rolloutId };
      case 'RolloutRefused':
      case 'RolloutAborted':
      case 'RolloutPromoted':
        return row.activeRolloutId === event.data.rolloutId ? { ...row, activeRolloutId: null } : row;
      case 'EndpointSuspended': {
        const { reason, by, at } = event.data;
        return { ...row, suspension: { reason, by, at } };
      }
      case 'UseCaseSuspensionLifted':
        return { ...row, suspension: event.data.suspension };
      case 'EndpointResumed':
        return { ...row, suspension: null };
      default:
        return row;
    }
  },
};
