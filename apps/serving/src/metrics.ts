import type { RouteEntry } from '@kontor/domain/deployment';
import type { DropCounts } from './inference-log.js';
import type { RevisionState } from './models/model-host.js';

/** Upper bounds in seconds: from a tree model on the front thread to a client that has given up. */
const BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10] as const;

interface Series {
  readonly endpoint: string;
  readonly revision: string;
  /** By HTTP status. */
  readonly codes: Map<number, number>;
  /** Answers per bucket, not cumulated; the last one is above all bounds. */
  readonly buckets: number[];
  sumS: number;
}

const MS_PER_S = 1_000;
const US_PER_S = 1e6;

/** A label value. @source Prometheus text format 0.0.4 */
const quoted = (value: string): string =>
  `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;

/**
 * Counts inference answers for Prometheus. Its labels are names of routes, never what a client sent, so their number is
 * bounded.
 *
 * @source Prometheus documentation, "Metric and label naming": base units, `_total` for counters, bounded labels.
 */
export class Metrics {
  readonly #series = new Map<string, Series>();

  /** @param endpoint - and `revision`: empty if the request reached none */
  count(endpoint: string, revision: string, status: number, latencyMs: number): void {
    const key = `${endpoint}/${revision}`;
    let series = this.#series.get(key);
    if (!series) {
      series = {
        endpoint,
        revision,
        codes: new Map(),
        buckets: Array.from({ length: BUCKETS_S.length + 1 }, () => 0),
        sumS: 0,
      };
      this.#series.set(key, series);
    }
    const latencyS = latencyMs / MS_PER_S;
    const found = BUCKETS_S.findIndex((bound) => latencyS <= bound);
    const bucket = found < 0 ? BUCKETS_S.length : found;
    series.codes.set(status, (series.codes.get(status) ?? 0) + 1);
    series.buckets[bucket] = (series.buckets[bucket] ?? 0) + 1;
    series.sumS += latencyS;
  }

  /** The text that Prometheus reads. */
  text(
    routes: readonly RouteEntry[],
    stateOf: (endpoint: string, revisionId: string) => RevisionState | undefined,
    { payload, row }: DropCounts,
  ): string {
    const lines = ['# TYPE kontor_inference_requests_total counter'];
    for (const { endpoint, revision, codes } of this.#series.values()) {
      for (const [code, count] of codes)
        lines.push(
          `kontor_inference_requests_total{endpoint=${quoted(endpoint)},revision=${quoted(revision)},code="${code}"} ${count}`,
        );
    }
    lines.push('# TYPE kontor_inference_duration_seconds histogram');
    for (const { endpoint, revision, buckets, sumS } of this.#series.values()) {
      const labels = `endpoint=${quoted(endpoint)},revision=${quoted(revision)}`;
      let count = 0;
      buckets.forEach((inBucket, index) => {
        count += inBucket;
        lines.push(`kontor_inference_duration_seconds_bucket{${labels},le="${BUCKETS_S[index] ?? '+Inf'}"} ${count}`);
      });
      lines.push(
        `kontor_inference_duration_seconds_sum{${labels}} ${sumS}`,
        `kontor_inference_duration_seconds_count{${labels}} ${count}`,
      );
    }
    const depths: string[] = [];
    const restarts: string[] = [];
    for (const { endpoint, revisions } of routes) {
      for (const { revisionId } of revisions) {
        const state = stateOf(endpoint, revisionId);
        if (state?.state !== 'loaded') continue;
        const labels = `endpoint=${quoted(endpoint)},revision=${quoted(revisionId)}`;
        depths.push(`kontor_queue_depth{${labels}} ${state.runner.waitingRows}`);
        restarts.push(`kontor_worker_restarts_total{${labels}} ${state.runner.restarts}`);
      }
    }
    const { user, system } = process.cpuUsage();
    return [
      ...lines,
      '# HELP kontor_queue_depth Rows that wait for a thread of the model.',
      '# TYPE kontor_queue_depth gauge',
      ...depths,
      '# TYPE kontor_worker_restarts_total counter',
      ...restarts,
      '# TYPE kontor_payload_dropped_total counter',
      `kontor_payload_dropped_total{reason="payload"} ${payload}`,
      `kontor_payload_dropped_total{reason="row"} ${row}`,
      '# TYPE process_cpu_seconds_total counter',
      `process_cpu_seconds_total ${(user + system) / US_PER_S}`,
      '# TYPE process_resident_memory_bytes gauge',
      `process_resident_memory_bytes ${process.memoryUsage.rss()}`,
      '',
    ].join('\n');
  }
}
