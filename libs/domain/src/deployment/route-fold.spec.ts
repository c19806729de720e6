import { fold } from '@kontor/event-sourcing';
import { describe, expect, it } from 'vitest';
import {
  added,
  canary,
  created,
  GATE,
  live,
  promotedEvent,
  requested,
  revisionId,
  ROLLOUT,
  weightSet,
} from './endpoint.fixture.js';
import { endpoint } from './endpoint.js';
import type { DeploymentEvent } from './events.js';
import { activeStepOf, preparingRolloutOf, routeOf } from './route-fold.js';

const routeAfter = (events: readonly DeploymentEvent[]) =>
  routeOf(fold(endpoint, events), { workspace: 'default', streamVersion: BigInt(events.length) });
const shares = (events: readonly DeploymentEvent[]) =>
  routeAfter(events)?.revisions.map(({ revisionId: id, weightBps }) => [id, weightBps]);

describe('the route of an endpoint', () => {
  it('is none before there is an endpoint', () => expect(routeAfter([])).toBeUndefined());

  it('has the canary first and the shares of the newest weights', () => {
    expect(shares(canary)).toEqual([
      [revisionId(2), 100],
      [revisionId(1), 9900],
    ]);
    expect(routeAfter(canary)).toMatchObject({
      streamVersion: canary.length,
      salt: 'default/credit',
      suspended: false,
    });
  });

  it('holds a new revision without traffic, so that it is loaded, but not before its gate has passed', () => {
    expect(shares([...live, requested(2)])).toEqual([[revisionId(1), 10_000]]);
    expect(shares([created('staging'), added(1)])).toEqual([[revisionId(1), 0]]);
  });

  it('keeps the revision before the stable one warm, and no older one', () => {
    const second = [
      ...canary,
      promotedEvent(2),
      weightSet(3, { [revisionId(2)]: 10_000 }, { rolloutId: ROLLOUT, step: null }),
    ];
    expect(shares(second)).toEqual([
      [revisionId(2), 10_000],
      [revisionId(1), 0],
    ]);
  });
});

describe('the active step', () => {
  it('is what the rollout waits for', () => {
    expect(activeStepOf(fold(endpoint, canary))).toMatchObject({
      rolloutId: ROLLOUT,
      step: 0,
      minRows: 100,
      canary: revisionId(2),
      stable: revisionId(1),
      held: false,
    });
    expect(activeStepOf(fold(endpoint, live))).toBeUndefined();
  });

  it('is preceded by loading', () => {
    const started: DeploymentEvent = {
      type: 'RolloutStarted',
      data: {
        rolloutId: ROLLOUT,
        endpoint: 'credit',
        version: { modelName: 'credit', version: 2, manifestDigest: `sha256:${'2'.repeat(64)}` },
        gate: { gateId: GATE, restsOn: [] },
      },
    };
    expect(preparingRolloutOf(fold(endpoint, [...live, requested(2), started]))).toBe(ROLLOUT);
    expect(preparingRolloutOf(fold(endpoint, canary))).toBeUndefined();
  });
});
