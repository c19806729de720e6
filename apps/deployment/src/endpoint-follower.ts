import { upcasters } from '@kontor/domain/contexts';
import { deploymentEvents, type DeploymentEvent, endpoint, type EndpointState } from '@kontor/domain/deployment';
import { BEGINNING, parseStreamId, type Position, type RecordedEvent, type StreamId } from '@kontor/event-sourcing';
import { createEventStore, tailLog } from '@kontor/event-store';
import type pg from 'pg';

/** One endpoint, folded from its stream, with the moments that the rollout's clocks run from. */
export interface FollowedEndpoint {
  readonly workspace: string;
  readonly stream: StreamId;
  readonly streamVersion: bigint;
  readonly state: EndpointState;
  /** When the weight of the present step was set, ms since 1970. */
  readonly stepBeganMs: number;
  /** When the rollout last started, entered a step or was resumed, ms since 1970. */
  readonly waitingSinceMs: number;
}

const types = Object.keys(deploymentEvents);

/** The endpoint after one more event of its stream. */
export const follow = (before: FollowedEndpoint | undefined, recorded: RecordedEvent): FollowedEndpoint => {
  // The log holds what the schemas of this context allowed, and only its types are read.
  const event = { type: recorded.type, data: recorded.data } as DeploymentEvent;
  const recordedMs = Date.parse(recorded.recordedAt);
  const entersStep = event.type === 'WeightSet' && event.data.step !== null;
  const restarts = entersStep || event.type === 'RolloutStarted' || event.type === 'RolloutResumed';
  return {
    workspace: parseStreamId(recorded.streamId).workspace,
    stream: recorded.streamId,
    streamVersion: recorded.version,
    state: endpoint.evolve(before?.state ?? endpoint.initialState, event),
    stepBeganMs: entersStep ? recordedMs : (before?.stepBeganMs ?? 0),
    waitingSinceMs: restarts ? recordedMs : (before?.waitingSinceMs ?? 0),
  };
};

/**
 * Follows all endpoints from the beginning of the log, without end. Holds their states in memory; a restart folds again.
 *
 * @returns each endpoint once when the log has been read up to its present head, then after every event of its stream.
 * @throws the errors of PostgreSQL; begin again with a new iterator.
 */
export async function* followEndpoints(
  pool: pg.Pool,
  signal: AbortSignal,
): AsyncGenerator<FollowedEndpoint, void, undefined> {
  const endpoints = new Map<StreamId, FollowedEndpoint>();
  const take = (event: RecordedEvent): FollowedEndpoint => {
    const followed = follow(endpoints.get(event.streamId), event);
    endpoints.set(event.streamId, followed);
    return followed;
  };

  const store = createEventStore(pool, { upcasters });
  let head: Position;
  try {
    head = await store.head();
    for await (const event of store.readAll(BEGINNING, { upTo: head, types })) take(event);
  } finally {
    await store.close();
  }
  yield* endpoints.values();
  for await (const batch of tailLog({ pool, after: head, upcasters, types, signal })) {
    for (const event of batch) yield take(event);
  }
}
