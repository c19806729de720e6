import type { ModelVersionRow } from '../registry/model-versions.projection.js';
import { modelVersionEntity, registeredModelEntity, runEntity } from '../registry/registry.entities.js';
import type { RegisteredModelRow } from '../registry/registered-models.projection.js';
import { invalid, missing } from './errors.js';
import type { MlflowCall } from './call.js';
import { askedModelName, toMs, versionNumberOf } from './names.js';
import type { RowQuery } from './row-query.js';

/** @throws MlflowError unless a model has this name now. */
export const modelByName = async (rows: RowQuery, name: string): Promise<RegisteredModelRow> => {
  askedModelName(name);
  const row = await rows.find(registeredModelEntity, { name, deleted: false });
  if (row) return row;
  throw missing(`Registered Model with name=${name} not found`);
};

/** The models of some versions, by id. */
export const modelsOf = async (
  rows: RowQuery,
  versions: readonly ModelVersionRow[],
): Promise<ReadonlyMap<string, RegisteredModelRow>> => {
  const ids = [...new Set(versions.map(({ modelId }) => modelId))];
  const models = await Promise.all(ids.map((modelId) => rows.byId(registeredModelEntity, modelId)));
  return new Map(models.flatMap((model): [string, RegisteredModelRow][] => (model ? [[model.modelId, model]] : [])));
};

/** @throws MlflowError unless the model has this version, not deleted. */
export const versionOf = async (
  rows: RowQuery,
  model: RegisteredModelRow,
  version: number,
): Promise<ModelVersionRow> => {
  const row = await rows.byId(modelVersionEntity, model.modelId, version);
  if (row && !row.deleted) return row;
  throw missing(`Model Version (name=${model.name}, version=${version}) not found`);
};

/** A version as MLflow shows it, with the aliases that its model gives it. */
export const versionJson = (model: RegisteredModelRow, row: ModelVersionRow): object => {
  const aliases = model.aliases.filter(({ version }) => version === row.version).map(({ alias }) => alias);
  return {
    name: model.name,
    version: String(row.version),
    creation_timestamp: toMs(row.createdAt),
    last_updated_timestamp: toMs(row.updatedAt),
    user_id: row.registeredBy,
    current_stage: row.stage,
    description: row.description,
    source: row.source,
    run_id: row.runId ?? '',
    status: 'READY',
    ...(row.tags.length > 0 && { tags: row.tags }),
    run_link: row.runLink,
    ...(aliases.length > 0 && { aliases }),
    ...(row.loggedModelId && { model_id: row.loggedModelId }),
  };
};

const STAGES = ['None', 'Staging', 'Production', 'Archived'] as const;

/** The newest version of each stage, by the id of its model, oldest first. Deleted ones do not count. */
export const latestVersions = async (
  rows: RowQuery,
  models: readonly RegisteredModelRow[],
  stages: readonly string[] = STAGES,
): Promise<ReadonlyMap<string, readonly ModelVersionRow[]>> => {
  const latest = await rows.firstOfEach(
    modelVersionEntity,
    { modelId: models.map(({ modelId }) => modelId), stage: stages },
    { where: 'NOT deleted', orderBy: 'version DESC' },
  );
  return Map.groupBy(
    [...latest].sort((one, other) => one.version - other.version),
    ({ modelId }) => modelId,
  );
};

/** @throws MlflowError for a name that is no stage. */
export const canonicalStage = (stage: string): string => {
  const known = STAGES.find((name) => name.toLowerCase() === stage.toLowerCase());
  if (known) return known;
  throw invalid(`Invalid Model Version stage: ${stage}. Value must be one of None, Staging, Production, Archived.`);
};

/** More than anybody makes of one run. */
const MAX_MADE = 10_000;

/**
 * The versions that were made of a run, a logged model, or the runs of an experiment, as a deletion names them. What a version
 * was made of never changes, so rows that are late leave out only what nothing can serve yet.
 */
export const madeInto = async (
  rows: RowQuery,
  of: { readonly runId: string } | { readonly loggedModelId: string } | { readonly experimentId: string },
): Promise<readonly { readonly modelId: string; readonly versions: readonly number[] }[]> => {
  const conditions = rows.conditions().add('NOT deleted');
  if ('experimentId' in of) {
    const experimentId = conditions.bind(of.experimentId);
    // By the key of the run's row: an experiment may have a million runs, and few of them became versions.
    conditions.add('"runId" IS NOT NULL');
    conditions.add(
      `EXISTS (SELECT FROM ${rows.relation(runEntity, 'r')} WHERE r.key = $1 || '/' || model_versions."runId" AND r."experimentId" = ${experimentId})`,
    );
  } else {
    const [[column = '', id] = []] = Object.entries(of);
    conditions.add(`"${column}" = ${conditions.bind(id)}`);
  }
  const made = new Map<string, number[]>();
  for (const { modelId, version } of await rows.list(modelVersionEntity, conditions, {
    orderBy: 'key',
    limit: MAX_MADE,
  }))
    made.set(modelId, [...(made.get(modelId) ?? []), version]);
  return [...made].map(([modelId, versions]) => ({ modelId, versions }));
};

/** Model and version that a request names. */
export const named = async (
  call: MlflowCall,
  { name, version }: { readonly name: string; readonly version: string },
) => {
  const rows = await call.rows();
  askedModelName(name);
  const number = versionNumberOf(version);
  const model = await rows.find(registeredModelEntity, { name, deleted: false });
  if (!model) throw missing(`Model Version (name=${name}, version=${number}) not found`);
  return { model, row: await versionOf(rows, model, number) };
};
