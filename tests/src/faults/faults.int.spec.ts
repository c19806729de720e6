// The fault tests, shortened: `npm run faults` runs the same ones at full size.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { play, SCENARIOS } from './scenarios.js';
import { openServers, type Servers, Skipped } from './stage.js';

const SEED = 4711;

describe(`faults (seed ${SEED})`, () => {
  let servers: Servers;
  beforeAll(async () => {
    servers = await openServers();
  });
  afterAll(() => servers.close());

  it.for(SCENARIOS)('$name $title', { timeout: 240_000 }, async (scenario, { skip }) => {
    try {
      const { seen, violations } = await play(scenario, { servers, seed: SEED, isShort: true });
      expect(violations, seen).toEqual([]);
    } catch (error) {
      if (error instanceof Skipped) skip(error.message);
      throw error;
    }
  });
});
