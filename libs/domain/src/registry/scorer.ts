import { type CommandOf, type Decider, reject, unreachable } from '@kontor/event-sourcing';
import { derivedUuid } from '../digest.js';
import type { registryCommands } from './commands.js';
import { jsonBytes, MAX_WHOLE_BYTES } from './event-size.js';
import type { RegistryEvent } from './events.js';
import type { RegistryRejection } from './rejections.js';

interface OnlineScoring {
  readonly sampleRate: number;
  readonly filterString: string | null;
}

export interface ScorerState {
  /** Those that are not deleted. */
  readonly versions: readonly number[];
  /** Numbers go on after a deletion. */
  readonly lastVersion: number;
  readonly online: OnlineScoring | null;
}

export type ScorerCommand = CommandOf<
  typeof registryCommands,
  'RegisterScorer' | 'DeleteScorerVersions' | 'ConfigureOnlineScoring'
>;

/** A scorer that is registered again under its name is the same one again. */
export const scorerIdOf = (workspace: string, experimentId: string, name: string): string =>
  derivedUuid(`scorer ${workspace} ${experimentId} ${name}`);

/** The rules of one scorer and its versions. Whether its experiment may be changed is asked at the edge. */
export const scorer: Decider<ScorerState, ScorerCommand, RegistryEvent, RegistryRejection> = {
  initialState: { versions: [], lastVersion: 0, online: null },
  decide: (command, { versions, lastVersion, online }) => {
    const { experimentId, name } = command.data;
    const identity = { scorerId: scorerIdOf(command.metadata.workspace, experimentId, name), experimentId, name };
    if (command.type === 'RegisterScorer') {
      const { serializedScorer } = command.data;
      const sizeBytes = jsonBytes(serializedScorer);
      if (sizeBytes > MAX_WHOLE_BYTES) return reject('SCORER_TOO_LARGE', { sizeBytes, maxBytes: MAX_WHOLE_BYTES });
      return [{ type: 'ScorerRegistered', data: { ...identity, version: lastVersion + 1, serializedScorer } }];
    }
    if (versions.length === 0) return reject('SCORER_UNKNOWN', { experimentId, name });
    switch (command.type) {
      case 'DeleteScorerVersions': {
        const { version } = command.data;
        const deleted = versions.filter((known) => version === null || known === version);
        if (deleted.length === 0) return reject('SCORER_VERSION_UNKNOWN', { experimentId, name, version });
        const versionsLeft = versions.length - deleted.length;
        return [{ type: 'ScorerVersionsDeleted', data: { ...identity, versions: deleted, versionsLeft } }];
      }
      case 'ConfigureOnlineScoring': {
        const { sampleRate, filterString, onlineScoringConfigId } = command.data;
        if (online?.sampleRate === sampleRate && online.filterString === filterString) return [];
        const settings = { onlineScoringConfigId, sampleRate, filterString };
        return [{ type: 'OnlineScoringConfigured', data: { ...identity, ...settings } }];
      }
      default:
        return unreachable(command);
    }
  },
  evolve: (state, event) => {
    switch (event.type) {
      case 'ScorerRegistered': {
        const { version } = event.data;
        return { ...state, versions: [...state.versions, version], lastVersion: version };
      }
      case 'ScorerVersionsDeleted': {
        const { versions: deleted, versionsLeft } = event.data;
        const versions = state.versions.filter((version) => !deleted.includes(version));
        return { ...state, versions, online: versionsLeft === 0 ? null : state.online };
      }
      case 'OnlineScoringConfigured': {
        const { sampleRate, filterString } = event.data;
        return { ...state, online: { sampleRate, filterString } };
      }
      default:
        return state;
    }
  },
};
