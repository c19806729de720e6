import type { InferenceRecord } from '@kontor/domain/monitoring';
import { describe, expect, it } from 'vitest';
import { InferenceLog } from './inference-log.js';

const record = (index: number): InferenceRecord => ({
  predictionId: `019a0000-0000-7000-8000-${String(index).padStart(12, '0')}`,
  workspace: 'main',
  endpoint: index % 2 === 0 ? 'even' : 'odd',
  revisionId: 'r',
  modelName: 'm',
  version: 1,
  eventTimeMs: 0,
  rows: 1,
  errorStatus: 0,
  latencyMs: 1,
  nonFiniteOutputs: 0,
  features: { x: [index] },
  scores: [0.5],
});

const away = () => Promise.reject(new Error('the broker is away'));

describe('the inference log', () => {
  it('publishes the records of each endpoint in their order', async () => {
    const messages: [string, string][] = [];
    const log = new InferenceLog((subject, body) => {
      const records = JSON.parse(new TextDecoder().decode(body)) as InferenceRecord[];
      messages.push([subject, records.map(({ features }) => features['x']?.[0]).join()]);
      return Promise.resolve();
    });
    for (let index = 0; index < 5; index += 1) log.add(record(index));
    await log.close(1_000);
    expect(messages).toEqual([
      ['kontor.infer.main.even', '0,2,4'],
      ['kontor.infer.main.odd', '1,3'],
    ]);
    expect(log.dropped).toEqual({ payload: 0, row: 0 });
  });

  it('drops the oldest features first, then the oldest rows, and counts both', async () => {
    const size = JSON.stringify(record(0)).length;
    const log = new InferenceLog(away, { records: 4, bytes: 4 * size - 5 });
    for (let index = 0; index < 4; index += 1) log.add(record(index));
    expect(log.dropped).toEqual({ payload: 1, row: 0 });
    for (let index = 4; index < 6; index += 1) log.add(record(index));
    expect(log.dropped.row).toBe(2);
    expect(log.waiting).toBe(4);
    await log.close(1_000);
  });

  it('keeps what could not be published, in order, for the next try', async () => {
    let isAway = true;
    const ids: string[] = [];
    const log = new InferenceLog((_, body) => {
      if (isAway) return away();
      ids.push(...(JSON.parse(new TextDecoder().decode(body)) as InferenceRecord[]).map((entry) => entry.predictionId));
      return Promise.resolve();
    });
    for (const index of [0, 2, 4]) log.add(record(index));
    await log.flush();
    expect(log.waiting).toBe(3);
    isAway = false;
    await log.close(1_000);
    expect(ids).toEqual([0, 2, 4].map((index) => record(index).predictionId));
  });
});
