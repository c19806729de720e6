import { expect, it } from 'vitest';
import { eventTypes } from './event-types.js';

it('gives every event type one owner', () => {
  expect(eventTypes()).toMatchObject({
    GateEvaluated: 'governance',
    RolloutStarted: 'deployment',
    AliasSet: 'registry',
  });
});
