import { ADMIN, type CommandOf, type Decider, mayAdminister, reject, unreachable } from '@kontor/event-sourcing';
import type { registryCommands } from './commands.js';
import type { ImportCount, RegistryEvent } from './events.js';
import type { RegistryRejection } from './rejections.js';

export type ImportState =
  | { readonly status: 'None' }
  | {
      readonly status: 'Started';
      readonly source: string;
      readonly startedAt: string;
      /** Of the last completion; null before the first. */
      readonly counts: readonly ImportCount[] | null;
    };

export type ImportCommand = CommandOf<typeof registryCommands, 'StartImport' | 'CompleteImport'>;

/** The log remembers command ids for 13 months from the time that they begin with. */
const IDS_LAST_MS = 365 * 86_400_000;

const isSame = (counts: readonly ImportCount[], before: readonly ImportCount[]): boolean =>
  counts.length === before.length &&
  counts.every(({ what, atSource, here }, index) => {
    const other = before[index];
    return other?.what === what && other.atSource === atSource && other.here === here;
  });

/**
 * The rules of one import: everything that one workspace takes over from one other registry, in as many goes as it needs.
 *
 * A go that finds it started goes on under the same command ids, so that the log recognises what it has. After a year it
 * starts anew, under new ones; what is there is then known by its own ids.
 */
export const importing: Decider<ImportState, ImportCommand, RegistryEvent, RegistryRejection> = {
  initialState: { status: 'None' },
  decide: ({ type, data, metadata }, state) => {
    const { actor, now } = metadata;
    const { importId } = data;
    if (!mayAdminister(actor)) return reject('ROLE_REQUIRED', { actor: actor.id, anyOf: [ADMIN] });
    switch (type) {
      case 'StartImport': {
        if (state.status === 'Started' && Date.parse(now) - Date.parse(state.startedAt) < IDS_LAST_MS)
          return reject('IMPORT_STARTED', { importId, startedAt: state.startedAt });
        return [{ type: 'ImportStarted', data: { importId, source: data.source, startedAt: now } }];
      }
      case 'CompleteImport': {
        if (state.status === 'None') return reject('IMPORT_UNKNOWN', { importId });
        const { source, counts } = state;
        if (counts !== null && isSame(data.counts, counts)) return [];
        return [{ type: 'ImportCompleted', data: { importId, source, counts: data.counts } }];
      }
      default:
        return unreachable(type);
    }
  },
  evolve: (state, event) => {
    switch (event.type) {
      case 'ImportStarted': {
        const { source, startedAt } = event.data;
        return { status: 'Started', source, startedAt, counts: null };
      }
      case 'ImportCompleted':
        return state.status === 'None' ? state : { ...state, counts: event.data.counts };
      default:
        return state;
    }
  },
};
