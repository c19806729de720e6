import type { RegistryEvent } from '@kontor/domain/registry';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';
import { withoutKey, withValues } from './tags.js';

type DataOf<Type extends RegistryEvent['type']> = Extract<RegistryEvent, { type: Type }>['data'];
type Point = DataOf<'RunDataLogged'>['metrics'][number];
type Dataset = DataOf<'RunInputsLogged'>['datasets'][number];
type Output = DataOf<'RunOutputsLogged'>['models'][number];

export type RunRow = Omit<DataOf<'RunStarted'>, 'tags'> & {
  readonly tags: readonly { readonly key: string; readonly value: string }[];
  readonly params: readonly { readonly key: string; readonly value: string }[];
  /** The latest point of each metric: highest step, then timestamp, then value. */
  readonly metrics: readonly Point[];
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

/** Whether a point replaces another as the latest of its metric. @source MLflow 3.18, `SqlLatestMetric` */
const isLater = (point: Point, than: Point): boolean =>
  point.step !== than.step
    ? point.step > than.step
    : point.timestampMs !== than.timestampMs
      ? point.timestampMs > than.timestampMs
      : point.value >= than.value;

const withPoints = (known: readonly Point[], points: readonly Point[]): readonly Point[] => {
  const latest = new Map(known.map((point) => [point.key, point]));
  for (const point of points) {
    const before = latest.get(point.key);
    if (before === undefined || isLater(point, before)) latest.set(point.key, point);
  }
  return [...latest.values()];
};

const withDatasets = (known: readonly Dataset[], added: readonly Dataset[]): readonly Dataset[] => {
  const seen = new Set(known.map(({ name, digest }) => `${name}\n${digest}`));
  return [...known, ...added.filter(({ name, digest }) => !seen.has(`${name}\n${digest}`))];
};

/** Runs with the latest point of each metric, parameters, tags, inputs and outputs. */
export const runs: Projection<RunRow, RegistryEvent> = {
  name: 'runs',
  version: 1,
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
    return 'runId' in data && data.runId !== null ? [rowKey(workspace, data.runId)] : [];
  },
  evolve: (row, event) => {
    if (event.type === 'RunStarted') {
      return {
        ...event.data,
        params: [],
        metrics: [],
        status: 'RUNNING',
        endTimeMs: null,
        datasets: [],
        inputModelIds: [],
        outputs: [],
        deleted: false,
        deletedPosition: '0',
        createdAt: event.recordedAt,
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
        const { metrics, params, tags } = event.data;
        const plain = tags.map(({ key, value }) => ({ key, value }));
        return {
          ...row,
          metrics: withPoints(row.metrics, metrics),
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
