import { readFileSync } from 'node:fs';
import { fold } from '@kontor/event-sourcing';
import { expect, it } from 'vitest';
import { type RegistryEvent, registryEvents } from './events.js';
import { registeredModel } from './registered-model.js';

it('still reads a registered model that 0.1 recorded', () => {
  const lines = readFileSync(new URL('./histories/0.1-registered-model.jsonl', import.meta.url), 'utf8');
  const events = lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as RegistryEvent);
  for (const { type, data } of events) registryEvents[type].parse(data);
  expect(fold(registeredModel, events)).toMatchObject({ name: 'credit', nextVersion: 2 });
});
