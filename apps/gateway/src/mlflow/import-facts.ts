import { experimentEntity, modelVersionEntity, registeredModelEntity } from '../registry/registry.entities.js';
import { manifestOf } from './artifact-paths.js';
import type { MlflowCall } from './call.js';
import { storedText } from './dataset-texts.js';
import { missing } from './errors.js';
import type { Refusal } from './import-send.js';
import type { JsonObject } from './json.js';
import { int64, message, readMessage, repeated, required, string } from './message.js';
import { safeInteger } from './names.js';
import { madeInto } from './version-rows.js';
import { importedOrigin } from './version-source.js';

type Facts = (call: MlflowCall, data: JsonObject) => Promise<object | Refusal>;

/** Of a run or logged model whose files shall lie where the platform puts them. */
const artifactUri = async (call: MlflowCall, experimentId: string, folder: string): Promise<string> => {
  const experiment = await (await call.rows()).byId(experimentEntity, experimentId);
  if (!experiment) throw missing(`No Experiment with id=${experimentId} exists`);
  return `${experiment.artifactLocation.replace(/\/$/, '')}/${folder}/artifacts`;
};

const versionFields = { modelId: required(string), version: required(int64) } as const;

const versionRow = async (call: MlflowCall, data: JsonObject) => {
  const { modelId, version } = readMessage(versionFields, data);
  return (await call.rows()).byId(modelVersionEntity, modelId, safeInteger('version', version));
};

/** What each command lacks that only the rows and the content store know. Its shape is judged where it is decided. */
const facts: Readonly<Record<string, Facts>> = {
  StartRun: async (call, data) => {
    const {
      runId,
      experimentId,
      artifactUri: given,
    } = readMessage({ runId: required(string), experimentId: required(string), artifactUri: string }, data);
    return { artifactUri: given ?? (await artifactUri(call, experimentId, runId)) };
  },
  CreateLoggedModel: async (call, data) => {
    const {
      loggedModelId,
      experimentId,
      artifactUri: given,
    } = readMessage({ loggedModelId: required(string), experimentId: required(string), artifactUri: string }, data);
    return { artifactUri: given ?? (await artifactUri(call, experimentId, `models/${loggedModelId}`)) };
  },
  LogRunInputs: async (call, data) => {
    const { datasets } = readMessage({ datasets: repeated(message({ schema: string, profile: string })) }, data);
    const given = data['datasets'] as readonly JsonObject[] | undefined;
    const { artifacts } = call.parts;
    return {
      datasets: await Promise.all(
        datasets.map(async ({ schema, profile }, index) => ({
          ...given?.[index],
          schema: await storedText(artifacts, schema),
          profile: await storedText(artifacts, profile),
        })),
      ),
    };
  },
  FinalizeLoggedModel: async (call, data) => {
    const { loggedModelId, status } = readMessage({ loggedModelId: required(string), status: string }, data);
    const manifest =
      status === 'READY' ? await manifestOf(await call.rows(), `logged-model:${loggedModelId}`, '') : undefined;
    return { manifestDigest: manifest?.manifestDigest ?? null };
  },
  DeleteRun: async (call, data) => {
    const { runId } = readMessage({ runId: required(string) }, data);
    return { madeInto: await madeInto(await call.rows(), { runId }) };
  },
  DeleteExperiment: async (call, data) => {
    const { experimentId } = readMessage({ experimentId: required(string) }, data);
    return { madeInto: await madeInto(await call.rows(), { experimentId }) };
  },
  CreateRegisteredModel: async (call, data) => {
    const { modelId, name } = readMessage({ modelId: required(string), name: required(string) }, data);
    const rows = await call.rows();
    const others = (await rows.all(registeredModelEntity, { name }, '"modelId"', 1000)).filter(
      (row) => row.modelId !== modelId,
    );
    const [version] =
      others.length === 0
        ? []
        : await rows.all(modelVersionEntity, { modelId: others.map((row) => row.modelId) }, 'key', 1);
    if (version === undefined) return {};
    // The same number would mean two versions: one in the history, and the imported one.
    return { code: 'NAME_TAKEN', message: 'A model of this name, now deleted or another one, has versions here.' };
  },
  RegisterModelVersion: async (call, data) => {
    const { source = '', ...asked } = readMessage(
      { source: string, storageLocation: string, runId: string, loggedModelId: string },
      data,
    );
    return importedOrigin(await call.rows(), { ...asked, source, location: asked.storageLocation });
  },
  DescribeModelVersion: async (call, data) => ({
    knownDescription: (await versionRow(call, data))?.description ?? '',
  }),
  SetModelVersionTag: async (call, data) => {
    const { key } = readMessage({ key: required(string) }, data);
    const row = await versionRow(call, data);
    return { knownValue: row?.tags.find((tag) => tag.key === key)?.value ?? null };
  },
};

export const isRefusal = (value: object): value is Refusal => 'code' in value;

/**
 * The data of an imported command with what the importer cannot know.
 *
 * @throws MlflowError for data in which a field that is needed for this is missing.
 */
export const withFacts = async (call: MlflowCall, type: string, data: JsonObject): Promise<object> => {
  const known = await facts[type]?.(call, data);
  if (known === undefined) return data;
  return isRefusal(known) ? known : { ...data, ...known };
};
