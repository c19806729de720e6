import { type RegistryEvent, withoutKey, withValues } from '@kontor/domain/registry';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';
import { happenedAt } from './happened-at.js';

type DataOf<Type extends RegistryEvent['type']> = Extract<RegistryEvent, { type: Type }>['data'];
type Dataset = DataOf<'RunInputsLogged'>['datasets'][number];
type Output = DataOf<'RunOutputsLogged'>['models'][number];

export type RunRow = Omit<DataOf<'RunStarted'>, 'tags'> & {
  readonly tags: readonly { readonly key: string; readonly value: string }[];
  readonly params: readonly { readonly key: string; readonly value: string }[];
  readonly status: 'RUNNING' | 'SCHEDULED' | 'FINISHED' | 'FAILED' | 'KILLED';
  readonly endTimeMs: number | null;
  readonly datasets: readonly Dataset[];
  readonly inputModelIds: readonly string[];
  readonly outputs: readonly Output[];
  readonly deleted: boolean;
  /** Of the last deletion; a restore of the experiment at a higher position brings the run back. */
  readonly deletedPosition: string;
  readonly createdAt: string;
  readonly createdBy: string;
};

const withDatasets = (known: readonly Dataset[], added: readonly Dataset[]): readonly Dataset[] => {
  const seen = new Set(known.map(({ name, digest }) => `${name}\n${digest}`));
  return [...known, ...added.filter(({ name, digest }) => !seen.has(`${name}\n${digest}`))];
};

/** Runs with parameters, tags, inputs and outputs. What they measured has rows of its own. */
export const runs: Projection<RunRow, RegistryEvent> = {
  name: 'runs',
  version: 2,
  canHandle: [
    'RunStarted',
    'RunFinished',
    'RunResumed',
    'RunRenamed',
    'RunDataLogged',
    'RunInputsLogged',
    'RunOutputsLogged',
    'RunDeleted',
    'RunRestored',
    'TagRemoved',
  ],
  keys: ({ workspace, data }) => {
    if ('target' in data) return data.target.aggregate === 'run' ? [rowKey(workspace, data.target.runId)] : [];
    if ('metrics' in data && data.params.length + data.tags.length === 0) return [];
    return 'runId' in data && data.runId !== null ? [rowKey(workspace, data.runId)] : [];
  },
  evolve: (row, event) => {
    if (event.type === 'RunStarted') {
      return {
        ...event.data,
        params: [],
        status: 'RUNNING',
        endTimeMs: null,
        datasets: [],
        inputModelIds: [],
        outputs: [],
        deleted: false,
        deletedPosition: '0',
        createdAt: happenedAt(event),
        createdBy: event.actor,
      };
    }
    if (row === undefined) return undefined;
    switch (event.type) {
      case 'RunFinished':
      case 'RunResumed':
        return { ...row, status: event.data.status, endTimeMs: event.data.endTimeMs };
      case 'RunRenamed': {
        // The tag is the name's other face: renaming sets it.
        const tag = { key: 'mlflow.runName', value: event.data.name };
        return { ...row, name: event.data.name, tags: withValues(row.tags, [tag]) };
      }
      case 'RunDataLogged': {
        const { params, tags } = event.data;
        const plain = tags.map(({ key, value }) => ({ key, value }));
        return {
          ...row,
          params: withValues(row.params, params),
          tags: withValues(row.tags, plain),
        };
      }
      case 'RunInputsLogged': {
        const { datasets, loggedModelIds } = event.data;
        return {
          ...row,
          datasets: withDatasets(row.datasets, datasets),
          inputModelIds: [...new Set([...row.inputModelIds, ...loggedModelIds])],
        };
      }
      case 'RunOutputsLogged':
        return { ...row, outputs: [...row.outputs, ...event.data.models] };
      case 'RunDeleted':
        return { ...row, deleted: true, deletedPosition: String(event.position) };
      case 'RunRestored':
        return { ...row, deleted: false };
      case 'TagRemoved':
        return { ...row, tags: withoutKey(row.tags, event.data.key) };
      default:
        return row;
    }
  },
};
