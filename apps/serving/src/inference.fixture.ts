import type { RouteEntry } from '@kontor/domain/deployment';
import { inferenceRecord, type InferenceRecord } from '@kontor/domain/monitoring';
import { Inference, type InferenceAnswer, type InferenceCall } from './inference.js';
import type { RecordOutline } from './inference-log.js';
import { Metrics } from './metrics.js';
import type { ModelRunner } from './models/runner.js';
import { RouteTable } from './routing.js';

const digest = `sha256:${'0'.repeat(64)}`;

export interface FixtureRevision {
  readonly revisionId: string;
  readonly modelName: string;
  readonly version: number;
  readonly weightBps: number;
  /** Absent: still being loaded. */
  readonly runner?: ModelRunner;
}

/** An endpoint `employment` over runners that are given, and what it was asked and said. */
export const servedBy = (revisions: readonly FixtureRevision[]) => {
  const records: InferenceRecord[] = [];
  const routes = new RouteTable();
  const entry: RouteEntry = {
    workspace: 'main',
    endpoint: 'employment',
    environment: 'production',
    streamVersion: 1,
    suspended: false,
    salt: 'kontor',
    revisions: revisions.map(({ revisionId, modelName, version, weightBps }) => ({
      revisionId,
      weightBps,
      version: { modelName, version, manifestDigest: digest },
      servable: { flavor: 'onnx', digest, sizeBytes: 1, goldenDigest: null },
    })),
  };
  routes.apply(entry);
  const runners = new Map(revisions.map(({ revisionId, runner }) => [revisionId, runner]));
  const host = {
    get: (_: string, revisionId: string) => {
      const runner = runners.get(revisionId);
      if (!runner) return { state: 'loading' as const };
      return {
        state: 'loaded' as const,
        runner,
        digest,
        loadMs: 1,
        goldenRows: 0,
        goldenMaxDifference: null,
        isRowwise: false,
      };
    },
  };
  const metrics = new Metrics();
  const log = (outline: RecordOutline, features: string) =>
    records.push(inferenceRecord.parse({ ...outline, features: JSON.parse(features) as unknown }));
  const inference = new Inference(routes, host, log, metrics);
  const ask = (value: unknown, call: Partial<InferenceCall> = {}) => {
    const body = { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 1], data: [value] }] };
    const bytes = new TextEncoder().encode(JSON.stringify(body));
    const named = { endpoint: 'employment', version: undefined, routingKey: undefined };
    return inference.answer({ ...named, body: () => Promise.resolve(bytes), ...call });
  };
  const metricsText = () => metrics.text(routes.all(), host.get, { payload: 0, row: 0 });
  return { inference, entry, records, ask, metricsText };
};

/** The HTTP status, and the machine code of an error. */
export const statusOf = (answer: InferenceAnswer): readonly [number, string?] =>
  'error' in answer ? [answer.error.status, answer.error.code] : [200];
