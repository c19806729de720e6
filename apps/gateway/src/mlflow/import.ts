import { createHash } from 'node:crypto';
import { mayAdminister } from '@kontor/event-sourcing';
import { z } from 'zod';
import { modelVersionEntity } from '../registry/registry.entities.js';
import type { MlflowCall } from './call.js';
import { endpoint, type Endpoint } from './endpoint.js';
import { invalid, MlflowError } from './errors.js';
import { importExperiments } from './import-experiments.js';
import { isRefusal, withFacts } from './import-facts.js';
import { type Import, type Outcome, outcomeOf, settle, submit } from './import-send.js';
import { type JsonObject, writeJson } from './json.js';
import { bool, int64, message, object, repeated, required, string } from './message.js';
import { atMost, safeInteger } from './names.js';
import { toMlflowError } from './rejections.js';

/** What an import may send. Experiments come by their own call, because their numbers are chosen. */
const COMMANDS: readonly string[] = [
  ...['StartRun', 'LogRunData', 'LogRunInputs', 'LogRunOutputs', 'UpdateRun', 'DeleteRun', 'DeleteExperiment'],
  ...['CreateLoggedModel', 'SetLoggedModelTags', 'LogLoggedModelParams', 'FinalizeLoggedModel'],
  ...['CreateRegisteredModel', 'DescribeRegisteredModel', 'SetRegisteredModelTag', 'SetAlias'],
  ...['RegisterModelVersion', 'DescribeModelVersion', 'SetModelVersionTag', 'ChangeStage'],
];

/** That it is there already is no refusal: it came with an earlier import, and only what has changed is sent. */
const THERE: readonly string[] = [
  ...['EXPERIMENT_EXISTS', 'RUN_EXISTS', 'LOGGED_MODEL_EXISTS', 'REGISTERED_MODEL_EXISTS', 'VERSION_EXISTS'],
];

const administer = ({ principal }: MlflowCall): void => {
  if (!mayAdminister(principal.actor)) throw new MlflowError('PERMISSION_DENIED', 'Only the role admin may import.');
};

/** The id of the import of a source into a workspace: UUIDv8, the same for every go. @source RFC 9562, section 5.8 */
const importIdOf = (workspace: string, source: string): string => {
  const bytes = createHash('sha256').update(`${workspace}\n${source}`).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
};

/** @returns when it began: now, or in an earlier go. */
const start = async (call: MlflowCall, importId: string, source: string): Promise<string> => {
  const reply = await call.submit('StartImport', { importId, source }, { correlationId: importId });
  if (reply.outcome === 'rejected' && reply.code === 'IMPORT_STARTED') return String(reply.details['startedAt']);
  const outcome = outcomeOf(reply);
  if ('code' in outcome) throw toMlflowError(outcome.code, outcome.message, {});
  // That it cannot be started again says when it was.
  return start(call, importId, source);
};

const checkedImport = ({
  import_id,
  started_at,
}: {
  readonly import_id: string;
  readonly started_at: string;
}): Import => {
  if (!z.uuid().safeParse(import_id).success) throw invalid(`import_id: must be a UUID, got '${import_id}'`);
  if (!z.iso.datetime().safeParse(started_at).success)
    throw invalid(`started_at: must be a time of RFC 3339 in UTC, got '${started_at}'`);
  return { importId: import_id, startedAt: started_at };
};

/** A version of this number may be another one: registered here, or passed over. */
const isOwn = async (call: MlflowCall, { importId }: Import, type: string, data: object): Promise<boolean> => {
  if (type !== 'RegisterModelVersion') return true;
  const { modelId, version } = data as { readonly modelId: string; readonly version: number };
  const row = await (await call.rows()).byId(modelVersionEntity, modelId, version);
  return row?.importedFrom?.importId === importId;
};

interface ImportCommand {
  readonly type: string;
  readonly data: JsonObject;
  readonly occurred_at: string | undefined;
  readonly update: boolean | undefined;
}

const send = async (call: MlflowCall, of: Import, { type, data, occurred_at }: ImportCommand): Promise<Outcome> => {
  // What a double cannot hold is no number of a command; the registry names the field.
  const plain = JSON.parse(writeJson(data)) as JsonObject;
  try {
    const complete = await withFacts(call, type, plain);
    if (isRefusal(complete)) return complete;
    const outcome = await submit(call, of, type, complete, occurred_at);
    if ('code' in outcome && THERE.includes(outcome.code) && !(await isOwn(call, of, type, complete)))
      return { code: 'NUMBER_TAKEN', message: 'This number was given here to another version, or passed over.' };
    return outcome;
  } catch (error) {
    if (!(error instanceof MlflowError) || error.errorCode === 'TEMPORARILY_UNAVAILABLE') throw error;
    return { code: error.errorCode, message: error.message };
  }
};

/** What the commands behind it are about. */
const isCreate = (type: string): boolean => /^(?:Create|Start|Register)/.test(type);

/**
 * The commands of one item, in order. A refused one stops none, but what is about a thing that was not taken is left out:
 * all up to the next thing, and the versions of a model with the model.
 */
const sendAll = async (call: MlflowCall, of: Import, commands: readonly ImportCommand[]) => {
  const outcomes: (Outcome | undefined)[] = [];
  let wasThere = false;
  let refused: string | undefined;
  for (const command of commands) {
    const { type, update } = command;
    const isLeftOut = refused === 'CreateRegisteredModel' || (refused !== undefined && !isCreate(type));
    if (isLeftOut || (update && !wasThere)) {
      outcomes.push(undefined);
      continue;
    }
    const outcome = await send(call, of, command);
    if (isCreate(type)) {
      wasThere = 'code' in outcome && THERE.includes(outcome.code);
      refused = 'code' in outcome && !wasThere ? type : undefined;
    }
    outcomes.push(isCreate(type) && wasThere ? undefined : outcome);
  }
  return outcomes;
};

const outcomeJson = (outcome: Outcome | undefined): object => outcome ?? {};

const importFields = { import_id: required(string), started_at: required(string) } as const;
const count = message({ what: required(string), at_source: required(int64), here: required(int64) });

/**
 * Takes over the history of another registry, for `kontor import`: the registry's own commands with the times and ids of
 * the source. Everything here is for administrators.
 */
export const importEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/kontor/imports',
    fields: { source: required(string) },
    handle: async ({ source }, call) => {
      administer(call);
      const importId = importIdOf(call.workspace, atMost(2048, 'source', source));
      const startedAt = await start(call, importId, source);
      return { import_id: importId, started_at: startedAt, position: await call.parts.log.head() };
    },
  }),
  endpoint({
    method: 'POST',
    path: '/kontor/imports/complete',
    fields: { import_id: required(string), counts: repeated(count) },
    handle: async ({ import_id: importId, counts }, call) => {
      administer(call);
      await call.send('CompleteImport', {
        importId,
        counts: counts.map(({ what, at_source, here }, index) => ({
          what,
          atSource: safeInteger(`counts[${index}].at_source`, at_source),
          here: safeInteger(`counts[${index}].here`, here),
        })),
      });
      return {};
    },
  }),
  endpoint({
    method: 'POST',
    path: '/kontor/imports/experiments',
    fields: {
      ...importFields,
      experiments: repeated(
        message({
          experiment_id: required(string),
          name: required(string),
          artifact_location: string,
          created_at: string,
          updated_at: required(string),
          tags: repeated(message({ key: required(string), value: string })),
        }),
      ),
    },
    handle: async ({ experiments, ...request }, call) => {
      administer(call);
      return importExperiments(call, checkedImport(request), experiments);
    },
  }),
  endpoint({
    method: 'POST',
    path: '/kontor/imports/commands',
    fields: {
      ...importFields,
      items: repeated(
        message({
          commands: repeated(
            message({ type: required(string), data: required(object), occurred_at: string, update: bool }),
          ),
        }),
      ),
    },
    handle: async ({ items, ...request }, call) => {
      administer(call);
      const of = checkedImport(request);
      items.forEach(({ commands }, item) =>
        commands.forEach(({ type }, index) => {
          if (COMMANDS.includes(type)) return;
          const allowed = COMMANDS.join(', ');
          throw invalid(`items[${item}].commands[${index}].type: ${type} is not imported; allowed are ${allowed}`);
        }),
      );
      const outcomes = await Promise.all(items.map(({ commands }) => sendAll(call, of, commands)));
      await settle(call, outcomes.flat());
      return { items: outcomes.map((item) => ({ outcomes: item.map(outcomeJson) })) };
    },
  }),
];
