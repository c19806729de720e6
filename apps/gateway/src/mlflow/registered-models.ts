import { modelVersionEntity, registeredModelEntity } from '../registry/registry.entities.js';
import type { RegisteredModelRow } from '../registry/registered-models.projection.js';
import { CommandRejected } from './outcomes.js';
import { endpoint, type Endpoint } from './endpoint.js';
import { invalid, missing, MlflowError } from './errors.js';
import { MODEL_FILTER, parseFilter } from './filter.js';
import { message, repeated, required, string } from './message.js';
import {
  atMost,
  checkedAlias,
  askedKey,
  checkedKey,
  checkedModelName,
  DESCRIPTION_LIMIT,
  hexIdOf,
  registryTags,
  toMs,
} from './names.js';
import { toMlflowError } from './rejections.js';
import type { RowQuery } from './row-query.js';
import { page, promptTerms, PROMPT_TAG, searchFields } from './registry-search.js';
import { addFilter, orderBySql } from './search.js';
import { canonicalStage, named, latestVersions, modelByName, versionJson, versionOf } from './version-rows.js';

const tag = message({ key: required(string), value: string });
const MAX_MODEL_PAGE = 1_000n;

/** How a filter on models is written in SQL. */
const MODEL_COLUMNS = {
  attributes: {
    name: 'name',
    timestamp: { body: `body->>'updatedAt'` },
    last_updated_timestamp: { body: `body->>'updatedAt'` },
  },
};

const modelExists = (name: string) =>
  new MlflowError('RESOURCE_ALREADY_EXISTS', `Registered Model (name=${name}) already exists.`);

/** Models and prompts share one name space. */
const nameTaken = (name: string, asked: 'prompt' | 'model', holder: 'prompt' | 'model') => {
  if (asked === holder) {
    return asked === 'model'
      ? modelExists(name)
      : new MlflowError('RESOURCE_ALREADY_EXISTS', `Prompt (name=${name}) already exists.`);
  }
  const [wanted, held] = asked === 'prompt' ? ['prompt', 'registered model'] : ['registered model', 'prompt'];
  return new MlflowError(
    'RESOURCE_ALREADY_EXISTS',
    `Tried to create a ${wanted} with name '${name}', but the name is already taken by a ${held}. ` +
      'MLflow does not allow creating a model and a prompt with the same name.',
  );
};

/** Models as MLflow shows them, with the newest version of each stage. */
const modelsJson = async (rows: RowQuery, models: readonly RegisteredModelRow[]): Promise<readonly object[]> => {
  const latestOf = await latestVersions(rows, models);
  return models.map((model) => {
    const latest = latestOf.get(model.modelId) ?? [];
    return {
      name: model.name,
      creation_timestamp: toMs(model.createdAt),
      last_updated_timestamp: toMs(model.updatedAt),
      ...(model.description && { description: model.description }),
      ...(latest.length > 0 && {
        latest_versions: latest.map((version) => versionJson({ ...model, aliases: [] }, version)),
      }),
      ...(model.tags.length > 0 && { tags: model.tags }),
      ...(model.aliases.length > 0 && {
        aliases: model.aliases.map(({ alias, version }) => ({ alias, version: String(version) })),
      }),
    };
  });
};

/** @throws MlflowError unless a model has this name now. */
const modelAnswer = async (rows: RowQuery, name: string): Promise<object> => {
  const [registered_model] = await modelsJson(rows, [await modelByName(rows, name)]);
  return { registered_model };
};

/** Registered models with their tags and aliases. */
export const registeredModelEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/mlflow/registered-models/create',
    creates: true,
    fields: { name: required(string), description: string, tags: repeated(tag) },
    handle: async ({ name, description, tags }, call) => {
      checkedModelName(name);
      const rows = await call.rows();
      const before = await rows.all(registeredModelEntity, { name }, '"modelId"', 1000);
      const pairs = registryTags(tags);
      const isPrompt = pairs.some(({ key, value }) => key === PROMPT_TAG && value === 'true');
      const holder = before.find(({ deleted }) => !deleted);
      if (holder) throw nameTaken(name, isPrompt ? 'prompt' : 'model', holder.isPrompt ? 'prompt' : 'model');
      // Numbers go on where a deleted model of this name left off, so a number never means two things.
      const old =
        before.length === 0
          ? []
          : await rows.all(modelVersionEntity, { modelId: before.map(({ modelId }) => modelId) }, 'key', 100_000);
      const firstVersion = Math.max(0, ...old.map(({ version }) => version)) + 1;
      try {
        await call.command('CreateRegisteredModel', {
          modelId: hexIdOf(call.commandId),
          name,
          description: description === undefined ? null : atMost(DESCRIPTION_LIMIT, 'description', description),
          tags: pairs,
          isPrompt,
          firstVersion,
        });
      } catch (error) {
        if (!(error instanceof CommandRejected)) throw error;
        if (error.code === 'NAME_TAKEN') throw modelExists(name);
        throw toMlflowError(error.code, error.message, { ...error.details, name });
      }
      return modelAnswer(await call.rows(), name);
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/registered-models/get',
    fields: { name: required(string) },
    handle: async ({ name }, call) => modelAnswer(await call.rows(), name),
  }),
  endpoint({
    method: 'PATCH',
    path: '/mlflow/registered-models/update',
    fields: { name: required(string), description: string },
    handle: async ({ name, description = '' }, call) => {
      const { modelId } = await modelByName(await call.rows(), name);
      await call.send(
        'DescribeRegisteredModel',
        { modelId, description: atMost(DESCRIPTION_LIMIT, 'description', description) },
        { name },
      );
      return modelAnswer(await call.rows(), name);
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/registered-models/rename',
    fields: { name: required(string), new_name: required(string) },
    handle: async ({ name, new_name }, call) => {
      checkedModelName(new_name, 'new_name');
      const { modelId } = await modelByName(await call.rows(), name);
      try {
        await call.command('RenameRegisteredModel', { modelId, name: new_name, previousName: name });
      } catch (error) {
        if (!(error instanceof CommandRejected)) throw error;
        if (error.code === 'NAME_TAKEN') throw modelExists(new_name);
        throw toMlflowError(error.code, error.message, { ...error.details, name });
      }
      return modelAnswer(await call.rows(), new_name);
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/mlflow/registered-models/delete',
    fields: { name: required(string) },
    handle: async ({ name }, call) => {
      const { modelId } = await modelByName(await call.rows(), name);
      await call.send('DeleteRegisteredModel', { modelId, name }, { name });
      return {};
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/registered-models/search',
    fields: searchFields,
    handle: async (request, call) => {
      const limits = { byDefault: 100n, most: MAX_MODEL_PAGE };
      const { prompts, others } = promptTerms(parseFilter(MODEL_FILTER, request.filter ?? ''));
      const { rows, found, next } = await page('models', request, call, limits, (query, limit, offset) => {
        const conditions = query.conditions();
        conditions.add(`NOT deleted AND "isPrompt" = ${conditions.bind(prompts)}`);
        addFilter(MODEL_COLUMNS, others, conditions);
        const orderBy = orderBySql(MODEL_COLUMNS, request.order_by, {
          grammar: MODEL_FILTER,
          ties: 'name ASC',
          conditions,
        });
        return query.list(registeredModelEntity, conditions, { orderBy, limit, offset });
      });
      const models = await modelsJson(rows, found);
      return { ...(models.length > 0 && { registered_models: models }), ...next };
    },
  }),
  ...(['POST', 'GET'] as const).map((method) =>
    endpoint({
      method,
      path: '/mlflow/registered-models/get-latest-versions',
      reads: true,
      fields: { name: required(string), stages: repeated(string) },
      handle: async ({ name, stages }, call) => {
        const rows = await call.rows();
        const model = await modelByName(rows, name);
        const wanted = stages.length === 0 ? undefined : stages.map(canonicalStage);
        const latest = (await latestVersions(rows, [model], wanted)).get(model.modelId) ?? [];
        return { ...(latest.length > 0 && { model_versions: latest.map((version) => versionJson(model, version)) }) };
      },
    }),
  ),
  endpoint({
    method: 'POST',
    path: '/mlflow/registered-models/set-tag',
    fields: { name: required(string), key: required(string), value: string },
    handle: async ({ name, key, value = '' }, call) => {
      const { modelId } = await modelByName(await call.rows(), name);
      await call.send(
        'SetRegisteredModelTag',
        { modelId, key: checkedKey('key', key), value: atMost(100_000, 'value', value) },
        { name },
      );
      return {};
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/mlflow/registered-models/delete-tag',
    fields: { name: required(string), key: required(string) },
    handle: async ({ name, key }, call) => {
      askedKey('key', key);
      const { modelId, tags } = await modelByName(await call.rows(), name);
      if (tags.some((known) => known.key === key))
        await call.send('RemoveRegisteredModelTag', { modelId, key }, { name });
      return {};
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/registered-models/alias',
    fields: { name: required(string), alias: required(string), version: required(string) },
    handle: async ({ name, alias, version }, call) => {
      checkedAlias(alias);
      const { model, row } = await named(call, { name, version });
      const { reason } = call;
      await call.send('SetAlias', { modelId: model.modelId, alias, version: row.version, reason }, { name, version });
      return {};
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/mlflow/registered-models/alias',
    fields: { name: required(string), alias: required(string) },
    handle: async ({ name, alias }, call) => {
      checkedAlias(alias);
      const { modelId, aliases } = await modelByName(await call.rows(), name);
      const { reason } = call;
      if (aliases.some((known) => known.alias === alias))
        await call.send('RemoveAlias', { modelId, alias, reason }, { name });
      return {};
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/registered-models/alias',
    fields: { name: required(string), alias: required(string) },
    handle: async ({ name, alias }, call) => {
      const rows = await call.rows();
      const model = await modelByName(rows, name);
      checkedAlias(alias);
      if (alias.toLowerCase() === 'latest') {
        const newest = (await latestVersions(rows, [model])).get(model.modelId)?.at(-1);
        if (!newest) throw missing(`Latest version not found for model ${name}.`);
        return { model_version: versionJson(model, newest) };
      }
      const held = model.aliases.find((known) => known.alias === alias);
      if (!held) throw invalid(`Registered model alias ${alias} not found.`);
      return { model_version: versionJson(model, await versionOf(rows, model, held.version)) };
    },
  }),
];
