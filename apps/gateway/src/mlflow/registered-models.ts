import type { ModelVersionRow } from '../registry/model-versions.projection.js';
import { endpointEntity } from '../deployment/deployment.entities.js';
import { modelVersionEntity, registeredModelEntity } from '../registry/registry.entities.js';
import type { RegisteredModelRow } from '../registry/registered-models.projection.js';
import { CommandRejected, type MlflowCall } from './call.js';
import { endpoint, type Endpoint } from './endpoint.js';
import { invalid, missing, MlflowError } from './errors.js';
import { type Comparison, MODEL_FILTER, parseFilter, VERSION_FILTER } from './filter.js';
import { bool, int64, message, repeated, required, string, wrongValue } from './message.js';
import { atMost, checkedAlias, checkedKey, checkedModelName, newHexId, toMs, versionNumberOf } from './names.js';
import { readPageToken, writePageToken } from './page-token.js';
import { toMlflowError } from './rejections.js';
import type { RowQuery } from './row-query.js';
import { rowsOf } from './rows-of.js';
import { addFilter, orderBySql } from './search.js';
import { resolveSource } from './version-source.js';

const tag = message({ key: required(string), value: string });
const STAGES = ['None', 'Staging', 'Production', 'Archived'] as const;
const MAX_MODEL_PAGE = 1_000n;
const MAX_VERSION_PAGE = 200_000n;
const DESCRIPTION_LIMIT = 100_000;

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

/** @throws MlflowError unless a model has this name now. */
export const modelByName = async (rows: RowQuery, name: string): Promise<RegisteredModelRow> => {
  const row = await rows.find(registeredModelEntity, { name, deleted: false });
  if (row) return row;
  throw missing(`Registered Model with name=${name} not found`);
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

/** The newest version of each stage. */
const latestVersions = (
  versions: readonly ModelVersionRow[],
  stages: readonly string[],
): readonly ModelVersionRow[] => {
  const latest = new Map<string, ModelVersionRow>();
  for (const version of versions) {
    const known = latest.get(version.stage);
    if (!known || known.version < version.version) latest.set(version.stage, version);
  }
  return [...latest.values()].filter(({ stage }) => stages.length === 0 || stages.includes(stage));
};

const versionsOf = (rows: RowQuery, { modelId }: RegisteredModelRow) =>
  rowsOf(rows, modelVersionEntity, { modelId, deleted: false }, 'createdAt');

const modelJson = async (rows: RowQuery, model: RegisteredModelRow): Promise<object> => {
  const latest = latestVersions(await versionsOf(rows, model), []);
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
};

/** @throws MlflowError for a name that is no stage. */
const canonicalStage = (stage: string): string => {
  const known = STAGES.find((name) => name.toLowerCase() === stage.toLowerCase());
  if (known) return known;
  throw invalid(`Invalid Model Version stage: ${stage}. Value must be one of None, Staging, Production, Archived.`);
};

/** Endpoints on which a version has traffic: what serves is not deleted. */
const servedBy = async (rows: RowQuery, modelName: string, version?: number): Promise<readonly string[]> => {
  const endpoints = await rows.all(endpointEntity, {}, 'key', 1000);
  return endpoints
    .filter(({ revisions }) =>
      revisions.some(
        (revision) =>
          revision.weightBps > 0 &&
          revision.version.modelName === modelName &&
          (version === undefined || revision.version.version === version),
      ),
    )
    .map((row) => row.endpoint);
};

const inUse = (name: string, version: number | undefined, endpoints: readonly string[]) =>
  new MlflowError(
    'RESOURCE_CONFLICT',
    `${version === undefined ? `Registered Model ${name}` : `Model version ${name}/${version}`} serves traffic on endpoint ` +
      `'${endpoints.join("', '")}' and cannot be deleted.`,
    { rejection: 'VERSION_IN_USE' },
  );

const PROMPT_TAG = 'mlflow.prompt.is_prompt';

/**
 * Prompts are registered models with a tag of their own. A search shows models, unless it asks for that tag; the terms
 * about it say which of the two, because a model does not carry the tag at all.
 */
const promptTerms = (
  terms: readonly Comparison[],
): { readonly prompts: boolean; readonly others: readonly Comparison[] } => {
  const about = terms.filter(({ entity, key }) => entity === 'tag' && key === PROMPT_TAG);
  const prompts = about.some(({ comparator, value }) => (comparator === '=' ? value === 'true' : value === 'false'));
  return { prompts, others: terms.filter((term) => !about.includes(term)) };
};

interface SearchRequest {
  readonly filter: string | undefined;
  readonly max_results: bigint | undefined;
  readonly order_by: readonly string[];
  readonly page_token: string | undefined;
}

const page = async <Row>(
  kind: string,
  { filter = '', max_results, order_by, page_token }: SearchRequest,
  call: MlflowCall,
  limits: { readonly byDefault: bigint; readonly most: bigint },
  read: (rows: RowQuery, limit: number, offset: number) => Promise<readonly Row[]>,
): Promise<{ readonly rows: RowQuery; readonly found: readonly Row[]; readonly next: object }> => {
  const limit = max_results ?? limits.byDefault;
  if (limit < 1n) throw invalid(`Invalid value for max_results. It must be a positive integer, but got ${limit}`);
  if (limit > limits.most) {
    throw wrongValue('max_results', String(limit));
  }
  const listing = [kind, filter, order_by];
  const token = readPageToken(listing, page_token);
  const rows = token ? call.rowsAt(token.position) : await call.rows();
  const offset = token?.offset ?? 0;
  const size = Number(limit);
  const found = await read(rows, size + 1, offset);
  const next =
    found.length > size
      ? { next_page_token: writePageToken(listing, { position: rows.position, offset: offset + size }) }
      : {};
  return { rows, found: found.slice(0, size), next };
};

const searchFields = { filter: string, max_results: int64, order_by: repeated(string), page_token: string } as const;

const MODEL_COLUMNS = {
  attributes: {
    name: 'name',
    timestamp: `body->>'updatedAt'`,
    last_updated_timestamp: `body->>'updatedAt'`,
  },
};

const modelEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/mlflow/registered-models/create',
    fields: { name: required(string), description: string, tags: repeated(tag) },
    handle: async ({ name, description, tags }, call) => {
      checkedModelName(name);
      const rows = await call.rows();
      const before = await rows.all(registeredModelEntity, { name }, '"modelId"', 1000);
      const pairs = tags.map(({ key, value = '' }) => ({ key: checkedKey('key', key), value }));
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
          modelId: newHexId(),
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
      const after = await call.rows();
      return { registered_model: await modelJson(after, await modelByName(after, name)) };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/registered-models/get',
    fields: { name: required(string) },
    handle: async ({ name }, call) => {
      const rows = await call.rows();
      return { registered_model: await modelJson(rows, await modelByName(rows, name)) };
    },
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
      const rows = await call.rows();
      return { registered_model: await modelJson(rows, await modelByName(rows, name)) };
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
      const rows = await call.rows();
      return { registered_model: await modelJson(rows, await modelByName(rows, new_name)) };
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/mlflow/registered-models/delete',
    fields: { name: required(string) },
    handle: async ({ name }, call) => {
      const rows = await call.rows();
      const { modelId } = await modelByName(rows, name);
      const endpoints = await servedBy(rows, name);
      if (endpoints.length > 0) throw inUse(name, undefined, endpoints);
      await call.send('DeleteRegisteredModel', { modelId, name, servedBy: endpoints }, { name });
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
        const orderBy = orderBySql(MODEL_COLUMNS, request.order_by, { aliases: {}, ties: 'name ASC', conditions });
        return query.list(registeredModelEntity, conditions, { orderBy, limit, offset });
      });
      const models = await Promise.all(found.map((model) => modelJson(rows, model)));
      return { ...(models.length > 0 && { registered_models: models }), ...next };
    },
  }),
  ...(['POST', 'GET'] as const).map((method) =>
    endpoint({
      method,
      path: '/mlflow/registered-models/get-latest-versions',
      fields: { name: required(string), stages: repeated(string) },
      handle: async ({ name, stages }, call) => {
        const rows = await call.rows();
        const model = await modelByName(rows, name);
        const latest = latestVersions(await versionsOf(rows, model), stages.map(canonicalStage));
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
      checkedKey('key', key);
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
      await call.send('SetAlias', { modelId: model.modelId, alias, version: row.version }, { name, version });
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
      if (aliases.some((known) => known.alias === alias)) await call.send('RemoveAlias', { modelId, alias }, { name });
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
        const newest = Math.max(0, ...(await versionsOf(rows, model)).map(({ version }) => version));
        if (newest === 0) throw missing(`Latest version not found for model ${name}.`);
        return { model_version: versionJson(model, await versionOf(rows, model, newest)) };
      }
      const held = model.aliases.find((known) => known.alias === alias);
      if (!held) throw invalid(`Registered model alias ${alias} not found.`);
      return { model_version: versionJson(model, await versionOf(rows, model, held.version)) };
    },
  }),
];

const VERSION_COLUMNS = {
  attributes: {
    run_id: `coalesce("runId", '')`,
    source_path: `body->>'source'`,
    version_number: `(body->>'version')::bigint`,
  },
};
/** What versions are ordered by, beside the name of their model. */
const VERSION_ORDER = {
  version_number: VERSION_COLUMNS.attributes.version_number,
  creation_timestamp: '"createdAt"',
  last_updated_timestamp: `body->>'updatedAt'`,
};

const searchVersions = async (request: SearchRequest, call: MlflowCall): Promise<object> => {
  const { prompts, others: terms } = promptTerms(parseFilter(VERSION_FILTER, request.filter ?? ''));
  const names = terms.filter(({ entity, key }) => entity === 'attribute' && key === 'name');
  const others = terms.filter((term) => !names.includes(term));
  const limits = { byDefault: MAX_VERSION_PAGE, most: MAX_VERSION_PAGE };
  const byId = new Map<string, RegisteredModelRow>();
  const { found, next } = await page('versions', request, call, limits, async (rows, limit, offset) => {
    // A version's row names its model by id, because a rename touches no versions: names are resolved first.
    const modelConditions = rows.conditions();
    modelConditions.add(`NOT deleted AND "isPrompt" = ${modelConditions.bind(prompts)}`);
    addFilter(MODEL_COLUMNS, names, modelConditions);
    for (const model of await rows.list(registeredModelEntity, modelConditions, { orderBy: 'name', limit: 100_000 })) {
      byId.set(model.modelId, model);
    }
    const conditions = rows.conditions();
    conditions.add(`NOT deleted AND "modelId" = ANY (${conditions.bind([...byId.keys()])})`);
    addFilter(VERSION_COLUMNS, others, conditions);
    const byName = `array_position(${conditions.bind([...byId.keys()])}::text[], "modelId"::text)`;
    const orderable = { attributes: { ...VERSION_ORDER, name: byName } };
    const orderBy = orderBySql(orderable, request.order_by, {
      aliases: {},
      ties: `body->>'updatedAt' DESC, ${byName} ASC, (body->>'version')::bigint DESC`,
      conditions,
    });
    return rows.list(modelVersionEntity, conditions, { orderBy, limit, offset });
  });
  const versions = found.flatMap((row) => {
    const model = byId.get(row.modelId);
    return model ? [versionJson(model, row)] : [];
  });
  return { ...(versions.length > 0 && { model_versions: versions }), ...next };
};

const versionFields = { name: required(string), version: required(string) } as const;

/** Model and version that a request names. */
const named = async (call: MlflowCall, { name, version }: { readonly name: string; readonly version: string }) => {
  const rows = await call.rows();
  const number = versionNumberOf(version);
  const model = await rows.find(registeredModelEntity, { name, deleted: false });
  if (!model) throw missing(`Model Version (name=${name}, version=${number}) not found`);
  return { model, row: await versionOf(rows, model, number) };
};

const versionEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/mlflow/model-versions/create',
    fields: {
      name: required(string),
      source: required(string),
      run_id: string,
      tags: repeated(tag),
      run_link: string,
      description: string,
      model_id: string,
    },
    handle: async ({ name, source, run_id, tags, run_link = '', description = '', model_id }, call) => {
      const before = await call.rows();
      const { modelId, isPrompt } = await modelByName(before, name);
      const origin = await resolveSource(before, {
        source,
        isPrompt,
        runId: run_id || undefined,
        loggedModelId: model_id || undefined,
      });
      const numbers = new Set(
        (await versionsOf(before, { modelId } as RegisteredModelRow)).map(({ version }) => version),
      );
      await call.send(
        'RegisterModelVersion',
        {
          modelId,
          ...origin,
          runLink: atMost(2048, 'run_link', run_link),
          description: atMost(DESCRIPTION_LIMIT, 'description', description),
          tags: tags.map(({ key, value = '' }) => ({
            key: checkedKey('key', key),
            value: atMost(100_000, 'value', value),
          })),
        },
        { name },
      );
      const rows = await call.rows();
      const model = await modelByName(rows, name);
      const created = (await versionsOf(rows, model)).filter(
        (row) =>
          !numbers.has(row.version) && row.source === origin.source && row.registeredBy === call.principal.actor.id,
      );
      const version = Math.max(...created.map((row) => row.version));
      return { model_version: versionJson(model, await versionOf(rows, model, version)) };
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/model-versions/get',
    fields: versionFields,
    handle: async (request, call) => {
      const { model, row } = await named(call, request);
      return { model_version: versionJson(model, row) };
    },
  }),
  endpoint({
    method: 'PATCH',
    path: '/mlflow/model-versions/update',
    fields: { ...versionFields, description: string },
    handle: async (request, call) => {
      const { model, row } = await named(call, request);
      const { modelId } = model;
      const description = atMost(DESCRIPTION_LIMIT, 'description', request.description ?? '');
      const { version, description: knownDescription } = row;
      await call.send('DescribeModelVersion', { modelId, version, description, knownDescription }, request);
      const after = await named(call, request);
      return { model_version: versionJson(after.model, after.row) };
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/model-versions/transition-stage',
    fields: { ...versionFields, stage: required(string), archive_existing_versions: bool },
    handle: async (request, call) => {
      const stage = canonicalStage(request.stage);
      const { model, row } = await named(call, request);
      const archiveExistingVersions = request.archive_existing_versions ?? false;
      await call.send(
        'ChangeStage',
        { modelId: model.modelId, version: row.version, stage, archiveExistingVersions },
        request,
      );
      const after = await named(call, request);
      return { model_version: versionJson(after.model, after.row) };
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/mlflow/model-versions/delete',
    fields: versionFields,
    handle: async (request, call) => {
      const { model, row } = await named(call, request);
      const endpoints = await servedBy(await call.rows(), model.name, row.version);
      if (endpoints.length > 0) throw inUse(model.name, row.version, endpoints);
      await call.send(
        'DeleteModelVersion',
        { modelId: model.modelId, version: row.version, servedBy: endpoints },
        request,
      );
      return {};
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/model-versions/search',
    fields: searchFields,
    handle: searchVersions,
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow/model-versions/get-download-uri',
    fields: versionFields,
    handle: async (request, call) => ({ artifact_uri: (await named(call, request)).row.storageLocation }),
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/model-versions/set-tag',
    fields: { ...versionFields, key: required(string), value: string },
    handle: async ({ key, value = '', ...request }, call) => {
      const { model, row } = await named(call, request);
      const knownValue = row.tags.find((known) => known.key === key)?.value ?? null;
      await call.send(
        'SetModelVersionTag',
        {
          modelId: model.modelId,
          version: row.version,
          key: checkedKey('key', key),
          value: atMost(100_000, 'value', value),
          knownValue,
        },
        request,
      );
      return {};
    },
  }),
  endpoint({
    method: 'DELETE',
    path: '/mlflow/model-versions/delete-tag',
    fields: { ...versionFields, key: required(string) },
    handle: async ({ key, ...request }, call) => {
      const { model, row } = await named(call, request);
      const known = row.tags.find((tagged) => tagged.key === key);
      if (known) {
        const { modelId } = model;
        await call.send(
          'RemoveModelVersionTag',
          { modelId, version: row.version, key, knownValue: known.value },
          request,
        );
      }
      return {};
    },
  }),
];

export const registeredModelEndpoints: readonly Endpoint[] = [...modelEndpoints, ...versionEndpoints];
