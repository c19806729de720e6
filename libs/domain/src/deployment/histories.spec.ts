import { readdirSync, readFileSync } from 'node:fs';
import { fold } from '@kontor/event-sourcing';
import { describe, expect, it } from 'vitest';
import { endpoint } from './endpoint.js';
import { type DeploymentEvent, deploymentEvents } from './events.js';
import { routeOf } from './route-fold.js';

// Streams as an earlier release wrote them, never edited: today's code must still read them to the same route.

const directory = new URL('histories/', import.meta.url);
const history = (name: string): DeploymentEvent[] =>
  readFileSync(new URL(name, directory), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as DeploymentEvent);

const expected: Readonly<Record<string, unknown>> = {
  '0.1-rollout-promoted.jsonl': [
    ['v2-222222222222', 10_000],
    ['v1-111111111111', 0],
  ],
  '0.1-rollout-aborted.jsonl': [['v1-111111111111', 10_000]],
};

describe('a recorded history', () => {
  it('is there for every expectation, and the other way round', () =>
    expect(
      readdirSync(directory)
        .filter((name) => name.includes('-rollout-'))
        .sort(),
    ).toEqual(Object.keys(expected).sort()));

  it.each(Object.entries(expected))('%s gives the route that it gave when it was recorded', (name, shares) => {
    const events = history(name);
    for (const { type, data } of events) deploymentEvents[type].parse(data);
    const route = routeOf(fold(endpoint, events), { workspace: 'default', streamVersion: BigInt(events.length) });
    expect(route?.revisions.map(({ revisionId, weightBps }) => [revisionId, weightBps])).toEqual(shares);
  });
});
