import type { RegistryEvent } from '@kontor/domain/registry';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type DataOf<Type extends RegistryEvent['type']> = Extract<RegistryEvent, { type: Type }>['data'];

export type ScorerRow = Pick<DataOf<'ScorerRegistered'>, 'scorerId' | 'experimentId' | 'name'> & {
  /** Numbers of those that are not deleted, ascending. */
  readonly versions: readonly number[];
  readonly onlineScoring: Pick<
    DataOf<'OnlineScoringConfigured'>,
    'onlineScoringConfigId' | 'sampleRate' | 'filterString'
  > | null;
};

/** Scorers that have a version. What each version is has rows of its own. */
export const scorers: Projection<ScorerRow, RegistryEvent> = {
  name: 'scorers',
  version: 1,
  canHandle: ['ScorerRegistered', 'ScorerVersionsDeleted', 'OnlineScoringConfigured'],
  keys: ({ workspace, data }) => ('scorerId' in data ? [rowKey(workspace, data.scorerId)] : []),
  evolve: (row, event) => {
    switch (event.type) {
      case 'ScorerRegistered': {
        const { scorerId, experimentId, name, version } = event.data;
        const { versions = [], onlineScoring = null } = row ?? {};
        return { scorerId, experimentId, name, versions: [...versions, version], onlineScoring };
      }
      case 'ScorerVersionsDeleted': {
        const { versions: deleted, versionsLeft } = event.data;
        if (row === undefined || versionsLeft === 0) return undefined;
        return { ...row, versions: row.versions.filter((version) => !deleted.includes(version)) };
      }
      case 'OnlineScoringConfigured': {
        const { onlineScoringConfigId, sampleRate, filterString } = event.data;
        return row && { ...row, onlineScoring: { onlineScoringConfigId, sampleRate, filterString } };
      }
      default:
        return row;
    }
  },
};

export type ScorerVersionRow = DataOf<'ScorerRegistered'> & {
  readonly createdAt: string;
  readonly createdBy: string;
};

/** Versions of scorers, each written once. */
export const scorerVersions: Projection<ScorerVersionRow, RegistryEvent> = {
  name: 'scorer_versions',
  version: 1,
  canHandle: ['ScorerRegistered', 'ScorerVersionsDeleted'],
  keys: ({ workspace, data }) => {
    if (!('scorerId' in data)) return [];
    if ('versions' in data) return data.versions.map((version) => rowKey(workspace, data.scorerId, version));
    return 'version' in data ? [rowKey(workspace, data.scorerId, data.version)] : [];
  },
  evolve: (_row, event) =>
    event.type === 'ScorerRegistered'
      ? { ...event.data, createdAt: event.recordedAt, createdBy: event.actor }
      : undefined,
};
