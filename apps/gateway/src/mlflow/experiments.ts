import type { ExperimentRow } from '../registry/experiments.projection.js';
import { DEFAULT_WORKSPACE } from '@kontor/service/process';
import { experimentEntity, workspaceEntity } from '../registry/registry.entities.js';
import { proxyPathOf, proxyRoot } from './artifact-paths.js';
import type { MlflowCall } from './call.js';
import { CommandRejected } from './outcomes.js';
import { endpoint, type Endpoint } from './endpoint.js';
import { invalid, missing, MlflowError } from './errors.js';
import { EXPERIMENT_FILTER, parseFilter } from './filter.js';
import { int64, type Message, message, oneOf, repeated, required, string } from './message.js';
import { atMost, checkedKey, lastOfEachKey, toMs } from './names.js';
import { writePageToken } from './page-token.js';
import { toMlflowError } from './rejections.js';
import type { RowQuery } from './row-query.js';
import { addFilter, msSql, orderBySql } from './search.js';
import { madeInto } from './version-rows.js';
import { addressesHost, foreignHost, type LocationField } from './storage-hosts.js';

const tag = message({ key: required(string), value: string });
const viewType = oneOf('ACTIVE_ONLY', 'DELETED_ONLY', 'ALL');

const MAX_PAGE = 50_000n;
/** Experiments are created one after another; more simultaneous ones than this are a client gone wild. */
const MAX_NUMBER_TRIES = 50;

export const experimentJson = (row: ExperimentRow, workspace: string): object => ({
  experiment_id: row.experimentId,
  name: row.name,
  artifact_location: row.artifactLocation,
  lifecycle_stage: row.deleted ? 'deleted' : 'active',
  last_update_time: toMs(row.updatedAt),
  creation_time: toMs(row.createdAt),
  ...(row.tags.length > 0 && { tags: row.tags }),
  workspace,
});

/** The number as its experiment has it. @throws MlflowError unless the text is a whole number. */
export const checkedExperimentId = (experimentId: string): string => {
  if (/^-?\d{1,19}$/.test(experimentId)) return String(BigInt(experimentId));
  throw invalid(`Invalid experiment ID '${experimentId}'. Experiment ID must be a valid integer.`);
};

/** @throws MlflowError unless the id is a number of an experiment, deleted ones included. */
export const experimentById = async (call: MlflowCall, id: string): Promise<ExperimentRow> =>
  experimentIn(await call.rows(), id);

const experimentIn = async (rows: RowQuery, id: string): Promise<ExperimentRow> => {
  const experimentId = checkedExperimentId(id);
  const row = await rows.byId(experimentEntity, experimentId);
  if (row) return row;
  throw missing(`No Experiment with id=${experimentId} exists`);
};

const experimentExists = (name: string) =>
  new MlflowError('RESOURCE_ALREADY_EXISTS', `Experiment(name=${name}) already exists.`);

/** @throws MlflowError for a location that no run's files could be below. */
export const checkLocation = (
  workspace: string,
  location: string,
  field: LocationField = 'artifact_location',
): void => {
  if (location.startsWith('runs:')) throw invalid(`Artifact location cannot be a runs:/ URI. Given: '${location}'`);
  if (location.length > 2048) {
    throw invalid(
      'Invalid artifact path length. The length of the artifact path cannot be greater than 2048 characters.',
    );
  }
  const [, scheme = ''] = /^([a-z][a-z0-9+.-]*):/i.exec(location) ?? [];
  if (addressesHost(scheme, location)) throw foreignHost(field, scheme);
  if (location.includes('#')) throw invalid(`'${field}' URL can't include fragments or params.`);
  if (location.split('?').slice(1).join('?').includes('..')) throw invalid('Invalid query string');
  proxyPathOf(workspace, location);
};

/** Where the files of an experiment lie if it does not say it itself. */
export const defaultLocation = async (call: MlflowCall, experimentId: string): Promise<string> => {
  const directory = await call.inWorkspace(DEFAULT_WORKSPACE).rows();
  const row = await directory.byId(workspaceEntity, call.workspace);
  const root = row?.defaultArtifactRoot ?? `mlflow-artifacts:/${proxyRoot(call.workspace)}`;
  return `${root.replace(/\/$/, '')}/${experimentId}`;
};

const create = async (call: MlflowCall, first: bigint, name: string, location: string, tags: readonly object[]) => {
  // A refused command leaves nothing behind, so that all tries are the same one to the log.
  const commandId = call.nextCommandId();
  for (let number = first, tries = 1; ; number++, tries++) {
    const artifactLocation = location || (await defaultLocation(call, String(number)));
    const data = { experimentId: String(number), name, artifactLocation, tags };
    try {
      return (await call.begin(experimentEntity, 'CreateExperiment', data, commandId)).experimentId;
    } catch (error) {
      if (!(error instanceof CommandRejected)) throw error;
      if (error.code === 'EXPERIMENT_EXISTS' && tries < MAX_NUMBER_TRIES) continue;
      // Number and name are both claimed; a claim that another experiment holds is the name's.
      if (error.code === 'NAME_TAKEN') throw experimentExists(name);
      throw toMlflowError(error.code, error.message, error.details);
    }
  }
};

/** Experiment 0, `Default`, exists in each workspace from the start. Made by the first call about now that could miss it. */
export const ensureDefaultExperiment = async (call: MlflowCall): Promise<void> => {
  if (call.isPast) return;
  if (await call.found((rows) => rows.byId(experimentEntity, '0'))) return;
  try {
    const artifactLocation = await defaultLocation(call, '0');
    await call.prepare('CreateExperiment', { experimentId: '0', name: 'Default', artifactLocation, tags: [] });
  } catch (error) {
    if (!(error instanceof CommandRejected && ['EXPERIMENT_EXISTS', 'NAME_TAKEN'].includes(error.code))) throw error;
    // Another call was faster, and what it made must be seen here.
    await call.settle(await call.parts.log.head());
  }
};

/** The experiment that something new belongs to. @throws MlflowError unless it is there and not deleted. */
export const activeExperiment = async (call: MlflowCall, id: string): Promise<ExperimentRow> => {
  if (id === '0') await ensureDefaultExperiment(call);
  return call.found(async (rows) => {
    const experiment = await experimentIn(rows, id);
    if (experiment.deleted) throw toMlflowError('EXPERIMENT_DELETED', '', { experimentId: experiment.experimentId });
    return experiment;
  });
};

const searchFields = {
  max_results: int64,
  view_type: viewType,
  filter: string,
  order_by: repeated(string),
  page_token: string,
} as const;

const searchExperiments = async (request: Message<typeof searchFields>, call: MlflowCall): Promise<object> => {
  const { max_results: limit = 0n, page_token, view_type = 'ACTIVE_ONLY', filter = '', order_by } = request;
  if (limit < 1n)
    throw invalid(`Invalid value ${limit} for parameter 'max_results' supplied. It must be a positive integer`);
  if (limit > MAX_PAGE)
    throw invalid(`Invalid value ${limit} for parameter 'max_results' supplied. It must be at most ${MAX_PAGE}`);
  const listing = ['experiments', view_type, filter, order_by];
  const token = call.readPageToken(listing, page_token);
  const terms = parseFilter(EXPERIMENT_FILTER, filter);
  for (const { entity, key, value } of terms) {
    if (entity === 'attribute' && key === 'experiment_id') [value].flat().map(String).forEach(checkedExperimentId);
  }
  const columns = {
    attributes: {
      name: 'name',
      experiment_id: '"experimentId"',
      creation_time: { body: msSql(`body->>'createdAt'`) },
      last_update_time: { body: msSql(`body->>'updatedAt'`) },
    },
  };
  const question = (rows: RowQuery) => {
    const conditions = rows.conditions();
    if (view_type !== 'ALL') conditions.add(`deleted = ${conditions.bind(view_type === 'DELETED_ONLY')}`);
    addFilter(columns, terms, conditions);
    const orderBy =
      order_by.length > 0
        ? orderBySql(columns, order_by, {
            grammar: EXPERIMENT_FILTER,
            ties: '"experimentId"::bigint DESC',
            conditions,
          })
        : '"createdAt" DESC, "experimentId"::bigint ASC';
    return { conditions, orderBy };
  };
  const rowsNow = () => (token ? call.rowsAt(token.position) : call.rows());
  // A refused search writes nothing.
  question(await rowsNow());
  await ensureDefaultExperiment(call);
  const rows = await rowsNow();
  const { conditions, orderBy } = question(rows);
  const offset = token?.offset ?? 0;
  const size = Number(limit);
  const found = await rows.list(experimentEntity, conditions, { orderBy, limit: size + 1, offset });
  const page = found.slice(0, size);
  return {
    ...(page.length > 0 && { experiments: page.map((row) => experimentJson(row, call.workspace)) }),
    ...(found.length > size && {
      next_page_token: writePageToken(listing, { position: rows.position, offset: offset + size }),
    }),
  };
};

export const experimentEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/mlflow/experiments/create',
    creates: true,
    fields: { name: required(string), artifact_location: string, tags: repeated(tag) },
    handle: async ({ name, artifact_location = '', tags }, call) => {
      if (name.trim() === '') throw invalid(`Invalid experiment name: '${name}'`);
      atMost(500, 'name', name);
      checkLocation(call.workspace, artifact_location);
      const rows = await call.rows();
      if (await rows.find(experimentEntity, { name })) throw experimentExists(name);
      const [newest] = await rows.list(experimentEntity, rows.conditions(), {
        orderBy: '"experimentId"::bigint DESC',
        limit: 1,
      });
      const number = BigInt(newest?.experimentId ?? '0') + 1n;
      const pairs = lastOfEachKey(
        tags.map(({ key, value = '' }) => ({ key: checkedKey('key', key), value: atMost(20_000, 'value', value) })),
      );
      return { experiment_id: await create(call, number, name, artifact_location, pairs) };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/experiments/get',
    fields: { experiment_id: required(string) },
    handle: async ({ experiment_id }, call) => {
      if (experiment_id === '0') await ensureDefaultExperiment(call);
      return { experiment: experimentJson(await experimentById(call, experiment_id), call.workspace) };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/experiments/get-by-name',
    fields: { experiment_name: required(string) },
    handle: async ({ experiment_name }, call) => {
      if (experiment_name === 'Default') await ensureDefaultExperiment(call);
      const row = await (await call.rows()).find(experimentEntity, { name: experiment_name });
      if (!row) throw missing(`Could not find experiment with name '${experiment_name}'`);
      return { experiment: experimentJson(row, call.workspace) };
    },
  }),
  ...(['POST', 'GET'] as const).map((method) =>
    endpoint({
      method,
      path: '/mlflow/experiments/search',
      reads: true,
      fields: searchFields,
      handle: searchExperiments,
    }),
  ),
  endpoint({
    method: 'POST',
    path: '/mlflow/experiments/delete',
    fields: { experiment_id: required(string) },
    handle: async ({ experiment_id }, call) => {
      const { experimentId, deleted } = await experimentById(call, experiment_id);
      if (deleted) throw missing(`No Experiment with id=${experimentId} exists`);
      await call.send('DeleteExperiment', {
        experimentId,
        madeInto: await madeInto(await call.rows(), { experimentId }),
      });
      return {};
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/experiments/restore',
    fields: { experiment_id: required(string) },
    handle: async ({ experiment_id }, call) => {
      const { experimentId } = await experimentById(call, experiment_id);
      await call.send('RestoreExperiment', { experimentId });
      return {};
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/experiments/update',
    fields: { experiment_id: required(string), new_name: required(string) },
    handle: async ({ experiment_id, new_name }, call) => {
      const { experimentId, name: previousName, deleted } = await experimentById(call, experiment_id);
      if (deleted) throw new MlflowError('INVALID_STATE', 'Cannot rename a non-active experiment.');
      if (new_name.trim() === '') throw invalid(`Invalid experiment name: '${new_name}'`);
      atMost(500, 'name', new_name);
      try {
        await call.command('RenameExperiment', { experimentId, name: new_name, previousName });
      } catch (error) {
        if (!(error instanceof CommandRejected)) throw error;
        if (error.code === 'NAME_TAKEN')
          throw new MlflowError('BAD_REQUEST', `Experiment(name=${new_name}) already exists.`);
        throw toMlflowError(error.code, error.message, error.details);
      }
      return {};
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/experiments/set-experiment-tag',
    fields: { experiment_id: required(string), key: required(string), value: string },
    handle: async ({ experiment_id, key, value = '' }, call) => {
      const { experimentId } = await experimentById(call, experiment_id);
      await call.send('SetExperimentTag', {
        experimentId,
        key: checkedKey('key', key),
        value: atMost(20_000, 'value', value),
      });
      return {};
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/experiments/delete-experiment-tag',
    fields: { experiment_id: required(string), key: required(string) },
    handle: async ({ experiment_id, key }, call) => {
      const { experimentId, tags, deleted } = await experimentById(call, experiment_id);
      if (deleted) throw toMlflowError('EXPERIMENT_DELETED', '', { experimentId });
      if (!tags.some((known) => known.key === key)) {
        throw missing(`No tag with name: ${key} in experiment with id ${experimentId}`);
      }
      await call.send('RemoveExperimentTag', { experimentId, key });
      return {};
    },
  }),
];
