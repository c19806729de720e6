import { type CommandOf, type Decider, type Decision, reject, unreachable } from '@kontor/event-sourcing';
import {
  type Artifacts,
  evolveArtifacts,
  NO_ARTIFACTS,
  refuseWrite,
  type RegisterArtifacts,
  registerArtifacts,
  removeArtifacts,
  storeArtifact,
} from './artifacts.js';
import type { registryCommands } from './commands.js';
import type { RegistryEvent } from './events.js';
import { refuseDeletion } from './kept-versions.js';
import type { RegistryRejection } from './rejections.js';
import { NO_POINTS, type PointSet, withPoints } from './point-set.js';
import { logRunData, logRunModel, pointKey, RUN_NAME_TAG } from './run-data.js';
import { evolveTags, removeTag, type Tags, tagsOf } from './tags.js';
import { runEventBack } from './run-undo.js';
import { undone } from './undo.js';

type Status = 'RUNNING' | 'SCHEDULED' | 'FINISHED' | 'FAILED' | 'KILLED';

export interface Run {
  readonly status: 'Active' | 'Deleted';
  readonly name: string;
  readonly runStatus: Status;
  readonly endTimeMs: number | null;
  readonly params: Tags;
  readonly tags: Tags;
  readonly points: PointSet;
  /** `<name> <digest>` of its datasets. */
  readonly datasets: ReadonlySet<string>;
  readonly inputModels: ReadonlySet<string>;
  /** `<logged model> <step>` of its outputs. */
  readonly outputs: ReadonlySet<string>;
  readonly artifacts: Artifacts;
}

export type RunState = { readonly status: 'None' } | Run;

export type RunCommand = SentRunCommand | RegisterArtifacts<{ readonly runId: string }>;
export type SentRunCommand = CommandOf<
  typeof registryCommands,
  | 'StartRun'
  | 'UpdateRun'
  | 'LogRunData'
  | 'LogRunModel'
  | 'RemoveRunTag'
  | 'LogRunInputs'
  | 'LogRunOutputs'
  | 'DeleteRun'
  | 'RestoreRun'
  | 'UndoRun'
  | 'RecordRunArtifact'
  | 'RemoveRunArtifacts'
  | 'RefuseRunArtifactWrite'
>;
type CommandData<Type extends RunCommand['type']> = Extract<RunCommand, { type: Type }>['data'];
type Decided = Decision<RegistryEvent, RegistryRejection>;

const decide = (command: RunCommand, state: RunState): Decided => {
  const { runId } = command.data;
  if (command.type === 'StartRun') return startRun(command.data, state);
  if (state.status === 'None') return reject('RUN_UNKNOWN', { runId });
  const owner = { aggregate: 'run', runId } as const;
  switch (command.type) {
    // Delete, restore and files are accepted in any state, as MLflow does.
    case 'DeleteRun':
      if (state.status === 'Deleted') return [];
      if (command.data.keptBy.length > 0) return refuseDeletion(owner, command.data.keptBy, command.metadata);
      return [{ type: 'RunDeleted', data: { runId } }];
    case 'RestoreRun':
      return state.status === 'Active' ? [] : [{ type: 'RunRestored', data: { runId } }];
    case 'UndoRun':
      return undone(command.data.events, state, evolvePresent, runEventBack);
    case 'RecordRunArtifact':
      return storeArtifact(owner, state.artifacts, command);
    case 'RemoveRunArtifacts':
      return removeArtifacts(owner, state.artifacts, command);
    case 'RefuseRunArtifactWrite':
      return refuseWrite(owner, command);
    case 'RegisterArtifacts':
      return registerArtifacts(owner, state.artifacts, command);
  }
  if (state.status === 'Deleted') return reject('RUN_DELETED', { runId });
  switch (command.type) {
    case 'UpdateRun':
      return updateRun(command.data, state);
    case 'LogRunData':
      return logRunData(command.data, state);
    case 'LogRunModel':
      return logRunModel(command.data, state);
    case 'RemoveRunTag':
      return removeTag(owner, state.tags, command.data.key);
    case 'LogRunInputs':
      return logInputs(command.data, state);
    case 'LogRunOutputs': {
      const models = firstOfEach(command.data.models, outputKey, state.outputs);
      return models.length === 0 ? [] : [{ type: 'RunOutputsLogged', data: { runId, models } }];
    }
    default:
      return unreachable(command);
  }
};

const startRun = (data: CommandData<'StartRun'>, state: RunState): Decided => {
  const { runId, name, tags } = data;
  if (state.status !== 'None') return reject('RUN_EXISTS', { runId });
  const tag = tagsOf(tags)[RUN_NAME_TAG];
  if (tag !== undefined && tag !== name) return reject('RUN_NAME_CONFLICT', { name, tag });
  return [{ type: 'RunStarted', data }];
};

const updateRun = ({ runId, status, endTimeMs, name }: CommandData<'UpdateRun'>, run: Run): Decided => {
  const events: RegistryEvent[] = [];
  const next = status ?? run.runStatus;
  const end = endTimeMs ?? run.endTimeMs;
  if (next !== run.runStatus || end !== run.endTimeMs) {
    events.push(
      next === 'RUNNING' || next === 'SCHEDULED'
        ? { type: 'RunResumed', data: { runId, status: next, endTimeMs: end } }
        : { type: 'RunFinished', data: { runId, status: next, endTimeMs: end } },
    );
  }
  // An empty name changes nothing, as in MLflow.
  if (name !== null && name !== '' && name !== run.name) {
    events.push({ type: 'RunRenamed', data: { runId, name, previousName: run.name } });
  }
  return events;
};

/** One event per dataset: a schema and a profile fill as much of one as its size allows. */
const logInputs = ({ runId, datasets, loggedModelIds }: CommandData<'LogRunInputs'>, run: Run): Decided => {
  const models = firstOfEach(loggedModelIds, (id) => id, run.inputModels);
  const logged = firstOfEach(datasets, datasetKey, run.datasets).map((dataset) => ({
    datasets: [dataset],
    models: [],
  }));
  return [...logged, ...(models.length > 0 ? [{ datasets: [], models }] : [])].map((inputs) => ({
    type: 'RunInputsLogged',
    data: { runId, datasets: inputs.datasets, loggedModelIds: inputs.models },
  }));
};

const datasetKey = ({ name, digest }: { readonly name: string; readonly digest: string }) =>
  JSON.stringify([name, digest]);
const outputKey = ({ loggedModelId, step }: { readonly loggedModelId: string; readonly step: number }) =>
  `${loggedModelId} ${step}`;

/** The items whose key is not known yet; the first one of each key. */
const firstOfEach = <Item>(items: readonly Item[], keyOf: (item: Item) => string, known: ReadonlySet<string>) => {
  const fresh = new Map<string, Item>();
  for (const item of items) {
    const key = keyOf(item);
    if (!known.has(key) && !fresh.has(key)) fresh.set(key, item);
  }
  return [...fresh.values()];
};

const evolve = (state: RunState, event: RegistryEvent): RunState => {
  if (event.type === 'RunStarted') {
    const { name, tags } = event.data;
    return {
      status: 'Active',
      name,
      runStatus: 'RUNNING',
      endTimeMs: null,
      params: tagsOf([]),
      // The name is the tag and the tag is the name, so the tag is always there.
      tags: tagsOf([...tags, { key: RUN_NAME_TAG, value: name }]),
      points: NO_POINTS,
      datasets: new Set(),
      inputModels: new Set(),
      outputs: new Set(),
      artifacts: NO_ARTIFACTS,
    };
  }
  if (state.status === 'None') throw new Error(`${event.type} before RunStarted`);
  return evolvePresent(state, event);
};

const evolvePresent = (state: Run, event: RegistryEvent): Run => {
  switch (event.type) {
    case 'RunFinished':
    case 'RunResumed':
      return { ...state, runStatus: event.data.status, endTimeMs: event.data.endTimeMs };
    case 'RunRenamed': {
      const { name } = event.data;
      return { ...state, name, tags: tagsOf([{ key: RUN_NAME_TAG, value: name }], state.tags) };
    }
    case 'RunDataLogged': {
      const { metrics, params, tags } = event.data;
      return {
        ...state,
        points: withPoints(state.points, metrics.map(pointKey)),
        params: params.length === 0 ? state.params : tagsOf(params, state.params),
        tags: tags.length === 0 ? state.tags : tagsOf(tags, state.tags),
      };
    }
    case 'RunInputsLogged': {
      const { datasets, loggedModelIds } = event.data;
      return {
        ...state,
        datasets: new Set([...state.datasets, ...datasets.map(datasetKey)]),
        inputModels: new Set([...state.inputModels, ...loggedModelIds]),
      };
    }
    case 'RunOutputsLogged':
      return { ...state, outputs: new Set([...state.outputs, ...event.data.models.map(outputKey)]) };
    case 'RunDeleted':
      return { ...state, status: 'Deleted' };
    case 'RunRestored':
      return { ...state, status: 'Active' };
    default:
      return {
        ...state,
        tags: evolveTags(state.tags, event),
        artifacts: evolveArtifacts(state.artifacts, event),
      };
  }
};

/** The rules of one run. Whether its experiment lets it be written is known at the edge, from the log's order. */
export const run: Decider<RunState, RunCommand, RegistryEvent, RegistryRejection> = {
  initialState: { status: 'None' },
  decide,
  evolve,
};
