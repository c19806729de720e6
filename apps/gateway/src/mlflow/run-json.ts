import type { ExperimentRow } from '../registry/experiments.projection.js';
import type { Point } from '../registry/points.js';
import type { RunRow } from '../registry/runs.projection.js';

/** A stored point as JSON: NaN is a text, because JSON has no such number. */
export const metricJson = (point: Point): object => ({
  key: point.key,
  value: point.isNaN ? 'NaN' : point.value,
  timestamp: point.timestampMs,
  step: point.step,
});

/** As {@link metricJson}, with what a logged model was measured on. */
export const modelMetricJson = (point: Point, runId: string): object => ({
  ...metricJson(point),
  run_id: runId,
  ...(point.loggedModelId && { model_id: point.loggedModelId }),
  ...(point.datasetName && { dataset_name: point.datasetName, dataset_digest: point.datasetDigest }),
});

/** A run is deleted with its experiment, and comes back with it whatever was deleted before. */
export const isDeleted = (run: RunRow, experiment: ExperimentRow | undefined): boolean =>
  experiment?.deleted === true ||
  (run.deleted && BigInt(run.deletedPosition) > BigInt(experiment?.restoredPosition ?? '0'));

/** `info` of a run, as runs/update answers it alone. */
export const infoJson = (run: RunRow, deleted: boolean): object => ({
  run_id: run.runId,
  run_uuid: run.runId,
  experiment_id: run.experimentId,
  run_name: run.name,
  user_id: run.userId,
  status: run.status,
  start_time: run.startTimeMs,
  ...(run.endTimeMs !== null && { end_time: run.endTimeMs }),
  artifact_uri: run.artifactUri,
  lifecycle_stage: deleted ? 'deleted' : 'active',
});

/** A whole run as MLflow answers it. @param metrics the latest point of each */
export const runJson = (run: RunRow, metrics: readonly Point[], deleted: boolean) => ({
  info: infoJson(run, deleted),
  data: {
    ...(metrics.length > 0 && { metrics: metrics.map(metricJson) }),
    ...(run.params.length > 0 && { params: run.params }),
    ...(run.tags.length > 0 && { tags: run.tags }),
  },
  inputs: {
    ...(run.datasets.length > 0 && {
      dataset_inputs: run.datasets.map(({ tags, name, digest, sourceType, source, schema, profile }) => ({
        ...(tags.length > 0 && { tags }),
        dataset: {
          name,
          digest,
          source_type: sourceType,
          source,
          ...(schema && { schema }),
          ...(profile && { profile }),
        },
      })),
    }),
    ...(run.inputModelIds.length > 0 && { model_inputs: run.inputModelIds.map((model_id) => ({ model_id })) }),
  },
  outputs: {
    ...(run.outputs.length > 0 && {
      model_outputs: run.outputs.map(({ loggedModelId, step }) => ({ model_id: loggedModelId, step })),
    }),
  },
});
