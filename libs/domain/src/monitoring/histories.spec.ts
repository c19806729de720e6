import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { fold } from '@kontor/event-sourcing';
import { type MonitoringEvent, monitoringEvents } from './events.js';
import { monitor } from './monitor.js';

it.each([
  ['whose source changed its unit for one window', 'unit-change', '2016-01-03T00:00:00.000Z'],
  ['whose accuracy was low until labels were corrected', 'accuracy-drop', '2016-01-02T00:00:00.000Z'],
])('folds the recorded history of a monitor %s', (_, name, newest) => {
  const text = readFileSync(new URL(`./histories/${name}.jsonl`, import.meta.url), 'utf8');
  const events = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as MonitoringEvent);
  for (const { type, data } of events) expect(monitoringEvents[type].parse(data)).toEqual(data);
  const state = fold(monitor, events);
  expect(state).toMatchObject({ status: 'Defined', alerts: [], newest });
  expect(state.status === 'Defined' && state.resolved.size).toBe(1);
});
