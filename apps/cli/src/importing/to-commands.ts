import { createHash } from 'node:crypto';
import type { RegistryCommand } from '@kontor/domain/registry';
import { inBatches } from './in-order.js';
import { PROMPT_TAG } from './mlflow-registry.js';
import type { LoggedModel, Metric, Pair, RegisteredModel, Run, Version } from './mlflow-shapes.js';

/** A command of an import, as Kontor's API takes it. */
export interface ImportCommand {
  readonly type: RegistryCommand['type'];
  readonly data: object;
  /** RFC 3339; absent if the source does not tell when it happened. */
  readonly occurred_at?: string | undefined;
  /** Sent only if what the item creates is there already, and has changed at the source since. */
  readonly update?: true;
}

/** What one thing of the source becomes, in order. */
export interface ImportItem {
  /** As a person knows it. */
  readonly name: string;
  readonly commands: readonly ImportCommand[];
}

// Limits of one batch, and lengths that MLflow cuts: what is longer comes from a server that did not.
const BATCH_POINTS = 1000;
const BATCH_PAIRS = 100;
const RUN_NAME_TAG = 'mlflow.runName';

/** The end of the year 9999: RFC 3339 has four digits for a year. */
const MAX_MS = 253_402_300_799_999;

/** Milliseconds since 1970 as RFC 3339; undefined for what is no time. Clients may log any number. */
export const timeOf = (ms: number | undefined): string | undefined =>
  ms === undefined || !Number.isInteger(ms) || ms <= 0 || ms > MAX_MS ? undefined : new Date(ms).toISOString();

/** A time that must be there. */
const timeOrFirst = (ms: number): string => timeOf(ms) ?? new Date(0).toISOString();

const cut = (limit: number, text: string): string => (text.length > limit ? [...text].slice(0, limit).join('') : text);

const cutValues = (pairs: readonly Pair[], limit: number) =>
  pairs.map(({ key, value }) => ({ key, value: cut(limit, value) }));

/**
 * Whether the files of a location are copied: those that only the source's server reaches, by its own disk or its proxy.
 * Others, such as `s3:`, stay where they are, and clients read them there as before.
 */
export const isCopied = (location: string): boolean =>
  !/^(?!file:|mlflow-artifacts:|https?:)[a-z][a-z0-9+.-]+:/i.test(location);

/** Absent where Kontor says where the files lie. */
const artifactUri = (location: string) => (isCopied(location) ? {} : { artifactUri: location });

const point = ({ key, value, timestamp, step, model_id, dataset_name, dataset_digest }: Metric) => ({
  key,
  value: Number.isNaN(value) ? 0 : Math.max(-Number.MAX_VALUE, Math.min(Number.MAX_VALUE, value)),
  isNaN: Number.isNaN(value),
  timestampMs: timestamp,
  step,
  loggedModelId: model_id || null,
  datasetName: dataset_name || null,
  datasetDigest: dataset_digest || null,
});

/** Its begin, params and tags. `experimentId`: as it is here. */
export const startOfRun = ({ info, data }: Run, experimentId: string): readonly ImportCommand[] => {
  const { run_id: runId, run_name, user_id, start_time, artifact_uri } = info;
  const tags = cutValues(data.tags, 8000);
  const name = tags.find(({ key }) => key === RUN_NAME_TAG)?.value ?? run_name;
  const occurred_at = timeOf(start_time);
  const log = (given: { readonly params?: readonly Pair[]; readonly tags?: readonly Pair[] }) => ({
    type: 'LogRunData' as const,
    data: { runId, metrics: [], params: [], tags: [], ...given },
    occurred_at,
  });
  return [
    {
      type: 'StartRun',
      data: {
        ...{ runId, experimentId, name: cut(250, name), userId: cut(256, user_id), startTimeMs: start_time, tags },
        ...artifactUri(artifact_uri),
      },
      occurred_at,
    },
    ...inBatches(tags, BATCH_PAIRS).map((some) => ({ ...log({ tags: some }), update: true as const })),
    ...inBatches(cutValues(data.params, 6000), BATCH_PAIRS).map((some) => log({ params: some })),
  ];
};

/** Points of a run, as many as one command holds. The newest says when it happened. */
export const pointsOfRun = (runId: string, points: readonly Metric[]): ImportCommand => ({
  type: 'LogRunData',
  data: { runId, metrics: points.map(point), params: [], tags: [] },
  occurred_at: timeOf(points.reduce((newest, { timestamp }) => Math.max(newest, timestamp), 0)),
});

/** Cuts a stream of points into commands: the same points always into the same ones. */
export async function* pointCommands(
  runId: string,
  pages: AsyncIterable<readonly Metric[]>,
): AsyncGenerator<ImportCommand> {
  let points: Metric[] = [];
  for await (const page of pages) {
    points = points.concat(page);
    for (; points.length >= BATCH_POINTS; points = points.slice(BATCH_POINTS))
      yield pointsOfRun(runId, points.slice(0, BATCH_POINTS));
  }
  if (points.length > 0) yield pointsOfRun(runId, points);
}

/** Its inputs and outputs, its end, and its deletion, unless that of its experiment is the same. */
export const endOfRun = ({ info, inputs, outputs }: Run, isExperimentDeleted: boolean): readonly ImportCommand[] => {
  const { run_id: runId, status, start_time, end_time, lifecycle_stage } = info;
  const { dataset_inputs, model_inputs } = inputs;
  const occurred_at = timeOf(start_time);
  const commands: ImportCommand[] = [];
  if (dataset_inputs.length + model_inputs.length > 0) {
    const datasets = dataset_inputs.map(({ tags, dataset: { source_type, ...dataset } }) => ({
      ...{ schema: null, profile: null, ...dataset, sourceType: source_type },
      tags: cutValues(tags, 500),
    }));
    const data = { runId, datasets, loggedModelIds: model_inputs.map(({ model_id }) => model_id) };
    commands.push({ type: 'LogRunInputs', data, occurred_at });
  }
  if (outputs.model_outputs.length > 0) {
    const models = outputs.model_outputs.map(({ model_id, step }) => ({ loggedModelId: model_id, step }));
    commands.push({ type: 'LogRunOutputs', data: { runId, models }, occurred_at });
  }
  if (status !== 'RUNNING' || end_time !== undefined) {
    const data = { runId, status, endTimeMs: end_time ?? null, name: null };
    commands.push({ type: 'UpdateRun', data, occurred_at: timeOf(end_time) });
  }
  if (lifecycle_stage === 'deleted' && !isExperimentDeleted) commands.push({ type: 'DeleteRun', data: { runId } });
  return commands;
};

/** A logged model as it is before its files are. */
export const startOfLoggedModel = (
  importId: string,
  { info, data }: LoggedModel,
  experimentId: string,
): readonly ImportCommand[] => {
  const { model_id: loggedModelId, source_run_id } = info;
  const tags = cutValues(info.tags, 8000);
  const params = cutValues(data.params, 6000);
  const updatedAt = timeOrFirst(info.last_updated_timestamp_ms);
  return [
    {
      type: 'CreateLoggedModel',
      data: {
        ...{ loggedModelId, experimentId, name: info.name || loggedModelId, modelType: info.model_type },
        ...{ sourceRunId: source_run_id || null, params, tags, importedFrom: { importId, updatedAt } },
        ...artifactUri(info.artifact_uri),
      },
      occurred_at: timeOf(info.creation_timestamp_ms),
    },
    { type: 'SetLoggedModelTags', data: { loggedModelId, tags }, occurred_at: updatedAt, update: true },
    { type: 'LogLoggedModelParams', data: { loggedModelId, params }, occurred_at: updatedAt, update: true },
  ];
};

const FINAL = { LOGGED_MODEL_READY: 'READY', LOGGED_MODEL_UPLOAD_FAILED: 'UPLOAD_FAILED' } as const;

/** Nothing for one that is not ready yet. Behind its files: what is ready has a manifest of them. */
export const endOfLoggedModel = ({ info }: LoggedModel): readonly ImportCommand[] => {
  const status = Object.entries(FINAL).find(([said]) => said === info.status)?.[1];
  if (status === undefined) return [];
  const occurred_at = timeOf(info.last_updated_timestamp_ms);
  return [{ type: 'FinalizeLoggedModel', data: { loggedModelId: info.model_id, status }, occurred_at }];
};

/**
 * A registered model with all its versions, which keep their numbers. The source has only names, so the model's id
 * follows from the import, its name and when it was made: one that was deleted there and made again is another one.
 *
 * @param locations of the files of versions whose source names another version, by number.
 */
export const registeredModel = (
  importId: string,
  { name, creation_timestamp, last_updated_timestamp, description, tags: given, aliases }: RegisteredModel,
  versions: readonly Version[],
  locations: ReadonlyMap<number, string>,
): readonly ImportCommand[] => {
  const modelId = createHash('sha256').update(`${importId}\n${name}\n${creation_timestamp}`).digest('hex').slice(0, 32);
  const updatedAt = timeOrFirst(last_updated_timestamp);
  const tags = cutValues(given, 100_000);
  const isPrompt = tags.some(({ key, value }) => key === PROMPT_TAG && value === 'true');
  const update = { occurred_at: updatedAt, update: true as const };
  return [
    {
      type: 'CreateRegisteredModel',
      data: {
        ...{ modelId, name, description: description ?? null, tags, isPrompt, firstVersion: 1 },
        importedFrom: { importId, updatedAt },
      },
      occurred_at: timeOf(creation_timestamp),
    },
    { type: 'DescribeRegisteredModel', data: { modelId, description: description ?? null }, ...update },
    ...tags.map((tag): ImportCommand => ({ type: 'SetRegisteredModelTag', data: { modelId, ...tag }, ...update })),
    ...versions
      .toSorted((a, b) => a.version - b.version)
      .flatMap((version) => [
        ...registeredVersion({ importId, modelId }, version, locations.get(version.version)),
        ...aliases
          .filter((alias) => alias.version === version.version)
          .map((alias): ImportCommand => ({ type: 'SetAlias', data: { modelId, ...alias } })),
      ]),
  ];
};

const registeredVersion = (
  { importId, modelId }: { readonly importId: string; readonly modelId: string },
  version: Version,
  location: string | undefined,
): readonly ImportCommand[] => {
  const { version: number, source, description, current_stage, run_id, run_link, model_id } = version;
  const updatedAt = timeOrFirst(version.last_updated_timestamp);
  const tags = cutValues(version.tags, 100_000);
  const target = { modelId, version: number };
  const update = { occurred_at: updatedAt, update: true as const };
  const changeStage: ImportCommand = {
    type: 'ChangeStage',
    data: { ...target, stage: current_stage, archiveExistingVersions: false },
    occurred_at: updatedAt,
    // A new version is in none.
    ...(current_stage === 'None' && { update: true }),
  };
  return [
    {
      type: 'RegisterModelVersion',
      data: {
        ...{ ...target, source, runId: run_id || null, loggedModelId: model_id || null, runLink: run_link },
        ...{ description, tags, importedFrom: { importId, updatedAt } },
        ...(location !== undefined && { storageLocation: location }),
      },
      occurred_at: timeOf(version.creation_timestamp),
    },
    { type: 'DescribeModelVersion', data: { ...target, description }, ...update },
    ...tags.map((tag): ImportCommand => ({ type: 'SetModelVersionTag', data: { ...target, ...tag }, ...update })),
    changeStage,
  ];
};
