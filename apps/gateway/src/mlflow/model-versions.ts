import type { ModelVersionRow } from '../registry/model-versions.projection.js';
import { modelVersionEntity, registeredModelEntity } from '../registry/registry.entities.js';
import type { MlflowCall } from './call.js';
import { CommandRejected, inMlflowsWords } from './outcomes.js';
import { endpoint, type Endpoint } from './endpoint.js';
import { parseFilter, VERSION_FILTER } from './filter.js';
import { bool, message, repeated, required, string } from './message.js';
import { askedKey, atMost, checkedKey, DESCRIPTION_LIMIT, registryTags } from './names.js';
import { page, promptTerms, searchFields, type SearchRequest } from './registry-search.js';
import { addFilter, orderBySql } from './search.js';
import { canonicalStage, modelByName, modelsOf, named, versionJson } from './version-rows.js';
import { resolveSource } from './version-source.js';

const tag = message({ key: required(string), value: string });
const MAX_VERSION_PAGE = 200_000n;

/** What a filter asks about a version itself. The name stands on its model's row, because a rename touches no versions. */
const VERSION_COLUMNS = {
  run_id: `coalesce("runId", '')`,
  source_path: { body: `body->>'source'` },
  version_number: 'version',
};
const VERSION_ORDER = {
  version_number: 'version',
  creation_timestamp: '"createdAt"',
  last_updated_timestamp: '"updatedAt"',
};

const searchVersions = async (request: SearchRequest, call: MlflowCall): Promise<object> => {
  const { prompts: isPrompt, others: terms } = promptTerms(parseFilter(VERSION_FILTER, request.filter ?? ''));
  const [first, ...more] = terms.filter(({ entity, key }) => entity === 'attribute' && key === 'name');
  const only = more.length === 0 && first?.comparator === '=' ? first : undefined;
  const others = terms.filter((term) => term !== only);
  const limits = { byDefault: MAX_VERSION_PAGE, most: MAX_VERSION_PAGE };
  const { rows, found, next } = await page('versions', request, call, limits, async (query, limit, offset) => {
    const conditions = query.conditions().add('NOT deleted');
    const model = only && (await query.find(registeredModelEntity, { name: only.value, deleted: false, isPrompt }));
    if (only && !model) return [];
    // Of one model an index has the versions in their order, and all have the same name.
    if (model) conditions.add(`"modelId" = ${conditions.bind(model.modelId)}`);
    else
      conditions.join(
        `JOIN (SELECT key AS model_key, name AS model_name FROM ${query.relation(registeredModelEntity, 'm')}
          WHERE NOT deleted AND "isPrompt" = ${conditions.bind(isPrompt)}) model ON model_key = $1 || '/' || "modelId"`,
      );
    // An index finds those of one run, but not with what comes in place of a run that is not there.
    for (const { entity, key, comparator, value } of others)
      if (entity === 'attribute' && key === 'run_id' && comparator === '=' && value !== '')
        conditions.add(`"runId" = ${conditions.bind(value)}`);
    const name = model ? `''::text` : 'model_name';
    addFilter({ attributes: { ...VERSION_COLUMNS, name } }, others, conditions);
    const orderBy = orderBySql({ attributes: { ...VERSION_ORDER, name } }, request.order_by, {
      grammar: VERSION_FILTER,
      ties: `${request.order_by.length === 0 ? '"updatedAt" DESC, ' : ''}${name} ASC, version DESC`,
      conditions,
    });
    const isPrepared = model !== undefined && others.length + request.order_by.length === 0;
    return query.list(modelVersionEntity, conditions, { orderBy, limit, offset, isPrepared });
  });
  const models = await modelsOf(rows, found);
  const versions = found.flatMap((row) => {
    const model = models.get(row.modelId);
    return model ? [versionJson(model, row)] : [];
  });
  return { ...(versions.length > 0 && { model_versions: versions }), ...next };
};

/** Files that change under so many looks are still on their way. */
const MAX_LOOKS = 4;

/**
 * Registers a version of the files that are there. If some were stored or removed since they were read, the newest rows are read
 * and it is tried again, at most {@link MAX_LOOKS} times in all.
 *
 * @throws CommandRejected ARTIFACTS_CHANGED if that happens again and again.
 */
const withPresentFiles = async <Row>(call: MlflowCall, register: () => Promise<Row>): Promise<Row> => {
  for (let looks = 1; ; looks += 1) {
    try {
      return await register();
    } catch (error) {
      if (!(error instanceof CommandRejected) || error.code !== 'ARTIFACTS_CHANGED' || looks === MAX_LOOKS) throw error;
      await call.settle(await call.parts.log.head());
    }
  }
};

const versionFields = { name: required(string), version: required(string) } as const;

/** Versions of registered models. */
export const versionEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/mlflow/model-versions/create',
    creates: true,
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
      const model = await call.found((rows) => modelByName(rows, name));
      const { modelId, isPrompt } = model;
      let commandId: string | undefined;
      const register = async (): Promise<ModelVersionRow> => {
        const origin = await resolveSource(call, {
          source,
          isPrompt,
          runId: run_id || undefined,
          loggedModelId: model_id || undefined,
        });
        const data = {
          modelId,
          ...origin,
          runLink: atMost(2048, 'run_link', run_link),
          description: atMost(DESCRIPTION_LIMIT, 'description', description),
          tags: registryTags(tags),
        };
        // One id for all tries: a refused one leaves nothing in the log, and a repeat of the request finds what was accepted.
        commandId ??= call.nextCommandId();
        return call.begin(modelVersionEntity, 'RegisterModelVersion', data, commandId);
      };
      // Nobody can have given a new version an alias.
      const row = await inMlflowsWords(withPresentFiles(call, register), { name });
      return { model_version: versionJson(model, row) };
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
      await call.send('DeleteModelVersion', { modelId: model.modelId, version: row.version }, request);
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
    fields: { name: string, version: string },
    handle: async ({ name = '', version = '' }, call) => ({
      artifact_uri: (await named(call, { name, version })).row.storageLocation,
    }),
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
      askedKey('key', key);
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
