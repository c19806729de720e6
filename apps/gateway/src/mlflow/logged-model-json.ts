import type { LoggedModelRow } from '../registry/logged-models.projection.js';
import { metricBatchEntity, modelVersionEntity } from '../registry/registry.entities.js';
import { withValues } from '@kontor/domain/registry';
import { spacedJson } from './json.js';
import { toMs } from './names.js';
import type { RowQuery } from './row-query.js';
import { modelMetricJson } from './run-json.js';
import { modelsOf } from './version-rows.js';

/** How MLflow spells a logged model's status. */
export const LOGGED_MODEL_STATUS = {
  PENDING: 'LOGGED_MODEL_PENDING',
  READY: 'LOGGED_MODEL_READY',
  UPLOAD_FAILED: 'LOGGED_MODEL_UPLOAD_FAILED',
} as const;

/** More registrations, or batches of metrics, of one page of models than a client reads. */
const MAX_ROWS = 100_000;

/** As long as versions are made of the model, it says so. @source MLflow 3.18.0, `set_model_versions_tags` */
const withVersions = (
  tags: LoggedModelRow['tags'],
  registrations: readonly { readonly name: string; readonly version: string }[],
): readonly LoggedModelRow['tags'][number][] => {
  if (registrations.length === 0) return tags;
  const value = spacedJson(registrations.map(({ name, version }) => ({ name, version: Number(version) })));
  return withValues(tags, [{ key: 'mlflow.modelVersions', value }]);
};

const groupedBy = <Item>(
  items: readonly Item[],
  keyOf: (item: Item) => string | null,
): ReadonlyMap<string | null, readonly Item[]> => Map.groupBy(items, keyOf);

/** Logged models with what other rows say of them: their registrations, and every point of every run that names them. */
export const loggedModelsJson = async (
  rows: RowQuery,
  models: readonly LoggedModelRow[],
): Promise<readonly object[]> => {
  const loggedModelId = models.map((row) => row.loggedModelId);
  const versions = [...(await rows.all(modelVersionEntity, { loggedModelId, deleted: false }, 'key', MAX_ROWS))].sort(
    (a, b) => a.createdAt.localeCompare(b.createdAt) || a.version - b.version,
  );
  const registered = await modelsOf(rows, versions);
  const batches = await rows.all(metricBatchEntity, { loggedModelId }, 'logged, key', MAX_ROWS);
  const versionsOf = groupedBy(versions, (row) => row.loggedModelId);
  const batchesOf = groupedBy(batches, (row) => row.loggedModelId);
  return models.map((row) => {
    const registrations = (versionsOf.get(row.loggedModelId) ?? []).flatMap((version) => {
      const model = registered.get(version.modelId);
      return model === undefined || model.deleted ? [] : [{ name: model.name, version: String(version.version) }];
    });
    const tags = withVersions(row.tags, registrations);
    const metrics = (batchesOf.get(row.loggedModelId) ?? []).flatMap(({ runId, points }) =>
      points.map((point) => modelMetricJson(point, runId)),
    );
    return {
      info: {
        model_id: row.loggedModelId,
        experiment_id: row.experimentId,
        name: row.name,
        creation_timestamp_ms: toMs(row.createdAt),
        last_updated_timestamp_ms: toMs(row.updatedAt),
        artifact_uri: row.artifactUri,
        status: LOGGED_MODEL_STATUS[row.status],
        model_type: row.modelType,
        source_run_id: row.sourceRunId ?? '',
        ...(tags.length > 0 && { tags }),
        ...(registrations.length > 0 && { registrations }),
      },
      data: {
        ...(row.params.length > 0 && { params: row.params }),
        ...(metrics.length > 0 && { metrics }),
      },
    };
  });
};

/** As {@link loggedModelsJson} for one. */
export const loggedModelJson = async (rows: RowQuery, row: LoggedModelRow): Promise<object> =>
  (await loggedModelsJson(rows, [row]))[0] ?? {};
