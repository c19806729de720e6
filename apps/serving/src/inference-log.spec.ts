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

const add = (log: InferenceLog, index: number): void => {
  const { features, ...outline } = record(index);
  log.add(outline, JSON.stringify(features));
};

const away = () => Promise.reject(new Error('the broker is away'));

describe('the inference log', () => {
  it('publishes the records of each endpoint in their order', async () => {
    const messages: [string, string][] = [];
    const log = new InferenceLog((subject, body) => {
      const records = JSON.parse(new TextDecoder().decode(body)) as InferenceRecord[];
      messages.push([subject, records.map(({ features }) => features['x']?.[0]).join()]);
      return Promise.resolve();
    });
    for (let index = 0; index < 5; index += 1) add(log, index);
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
    for (let index = 0; index < 4; index += 1) add(log, index);
    expect(log.dropped).toEqual({ payload: 1, row: 0 });
    for (let index = 4; index < 6; index += 1) add(log, index);
    expect(log.dropped.row).toBe(2);
    expect(log.waiting).toBe(4);
    await log.close(1_000);
  });

  it('fills no message beyond what the broker takes, in bytes', async () => {
    const sizes: number[] = [];
    const log = new InferenceLog((_, body) => {
      sizes.push(body.length);
      return Promise.resolve();
    });
    const { features: _, ...outline } = record(0);
    const note = '系'.repeat(100_000);
    for (let index = 0; index < 9; index += 1) log.add(outline, JSON.stringify({ note: [note] }));
    log.add(outline, JSON.stringify({ note: [note.repeat(4)] }));
    await log.close(1_000);
    expect(Math.max(...sizes)).toBeLessThan(1024 * 1024);
    expect(sizes).toHaveLength(3);
    expect(log.dropped).toEqual({ payload: 1, row: 0 });
  });

  it('sends the same message again when nobody knows whether the first one was stored', async () => {
    const messages: string[] = [];
    const log = new InferenceLog((_, body, id) => {
      messages.push(`${id} ${new TextDecoder().decode(body)}`);
      return messages.length === 1 ? away() : Promise.resolve();
    });
    add(log, 0);
    await log.flush();
    add(log, 2);
    expect(log.waiting).toBe(2);
    await log.close(1_000);
    expect(messages).toHaveLength(3);
    expect(messages[1]).toBe(messages[0]);
  });

  it('keeps what could not be published, in order, for the next try', async () => {
    let isAway = true;
    const ids: string[] = [];
    const log = new InferenceLog((_, body) => {
      if (isAway) return away();
      ids.push(...(JSON.parse(new TextDecoder().decode(body)) as InferenceRecord[]).map((entry) => entry.predictionId));
      return Promise.resolve();
    });
    for (const index of [0, 2, 4]) add(log, index);
    await log.flush();
    expect(log.waiting).toBe(3);
    isAway = false;
    await log.close(1_000);
    expect(ids).toEqual([0, 2, 4].map((index) => record(index).predictionId));
  });
});
