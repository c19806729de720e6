import { type CommandOf, type Decider, reject, unreachable } from '@kontor/event-sourcing';
import { mayGovern, rolesRequired } from './authority.js';
import type { governanceCommands } from './commands.js';
import type { GovernanceEvent } from './events.js';
import type { GovernanceRejection } from './rejections.js';

export type LogArchiveState =
  { readonly status: 'None' } | { readonly status: 'Archived' | 'Dropped'; readonly manifestDigest: string };

export type LogArchiveCommand = CommandOf<typeof governanceCommands, 'RecordLogArchived' | 'RecordArchivedLogDropped'>;

/** What became of one range of the log. Saying the same again changes nothing, so that a crashed archiving can be repeated. */
export const logArchive: Decider<LogArchiveState, LogArchiveCommand, GovernanceEvent, GovernanceRejection> = {
  initialState: { status: 'None' },
  decide: (command, state) => {
    const { actor } = command.metadata;
    const by = actor.id;
    if (!mayGovern(actor)) return reject('ROLE_REQUIRED', rolesRequired(actor));
    switch (command.type) {
      case 'RecordLogArchived': {
        if (state.status === 'None') return [{ type: 'LogArchived', data: { ...command.data, by } }];
        const { manifestDigest } = state;
        return manifestDigest === command.data.manifestDigest ? [] : reject('ARCHIVE_DIFFERS', { manifestDigest });
      }
      case 'RecordArchivedLogDropped': {
        if (state.status === 'None') return reject('ARCHIVE_UNKNOWN', command.data);
        if (state.status === 'Dropped') return [];
        const { manifestDigest } = state;
        return [{ type: 'ArchivedLogDropped', data: { ...command.data, manifestDigest, by } }];
      }
      default:
        return unreachable(command);
    }
  },
  evolve: (state, event) => {
    if (event.type === 'LogArchived') return { status: 'Archived', manifestDigest: event.data.manifestDigest };
    return event.type === 'ArchivedLogDropped'
      ? { status: 'Dropped', manifestDigest: event.data.manifestDigest }
      : state;
  },
};
