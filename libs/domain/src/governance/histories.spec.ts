import { readFileSync } from 'node:fs';
import { fold } from '@kontor/event-sourcing';
import { expect, it } from 'vitest';
import { type GovernanceEvent, governanceEvents } from './events.js';
import { subject } from './subject.js';

it('still reads an approved artifact that 0.1 recorded', () => {
  const lines = readFileSync(new URL('./histories/0.1-subject.jsonl', import.meta.url), 'utf8');
  const events = lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as GovernanceEvent);
  for (const { type, data } of events) governanceEvents[type].parse(data);
  expect(fold(subject, events)).toMatchObject({ authors: ['ada'], approvals: [{ by: 'vera', revoked: false }] });
});
