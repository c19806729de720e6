import { type Decision, reject } from '@kontor/event-sourcing';
import { PERSONAL_TAGS, type RegistryEvent } from './events.js';
import type { RegistryRejection } from './rejections.js';
import type { Tags } from './tags.js';

/** What would undo one event; or why nothing does: it never can be, or something has changed since. */
export type Inverse =
  { readonly events: readonly RegistryEvent[] } | { readonly never: string } | { readonly conflict: string };

type Event<Type extends RegistryEvent['type']> = Extract<RegistryEvent, { type: Type }>['data'];

export const changedSince = (what: string): Inverse => ({ conflict: `${what} was changed since` });

/**
 * Undoes the events of one command, the newest first: all of them or none.
 *
 * A thing is only put back if it still is what the event made of it. So nothing that came later is overwritten.
 *
 * @param inverse of an event, in the state that the inverses of the later ones lead to.
 * @returns the compensating events; UNDO_CONFLICT or UNDO_IMPOSSIBLE with each event that stands in the way (`problems`)
 *   and with what would undo the others (`changes`).
 */
export const undone = <State>(
  recorded: readonly { readonly type: string; readonly data?: unknown }[],
  state: State,
  evolve: (state: State, event: RegistryEvent) => State,
  inverse: (event: RegistryEvent, state: State) => Inverse,
): Decision<RegistryEvent, RegistryRejection> => {
  // They come from the log, which holds what this context's schemas allowed.
  const events = recorded as readonly RegistryEvent[];
  if (events.length === 0) return reject('NOTHING_TO_UNDO', {});
  let current = state;
  const changes: RegistryEvent[] = [];
  const problems: { readonly type: string; readonly reason: string; readonly isConflict: boolean }[] = [];
  for (const event of events.toReversed()) {
    const found = inverse(event, current);
    if ('events' in found) {
      changes.push(...found.events);
      current = found.events.reduce(evolve, current);
    } else if ('conflict' in found) {
      problems.push({ type: event.type, reason: found.conflict, isConflict: true });
    } else {
      problems.push({ type: event.type, reason: found.never, isConflict: false });
    }
  }
  if (problems.length === 0) return changes;
  const isConflict = problems.every((problem) => problem.isConflict);
  return reject(isConflict ? 'UNDO_CONFLICT' : 'UNDO_IMPOSSIBLE', { problems, changes });
};

const isHidden = (key: string, previousValue: string | null): boolean =>
  PERSONAL_TAGS.includes(key) && (previousValue ?? '') === '';

const HIDDEN: Inverse = { never: 'the value before is personal, and stands only in the event that set it' };

export const tagSetBack = ({ target, key, value, previousValue }: Event<'TagSet'>, tags: Tags): Inverse => {
  if (isHidden(key, previousValue)) return HIDDEN;
  if (tags[key] !== value) return changedSince(`the tag ${JSON.stringify(key)}`);
  if (previousValue === null) return { events: [{ type: 'TagRemoved', data: { target, key, previousValue: value } }] };
  return { events: [{ type: 'TagSet', data: { target, key, value: previousValue, previousValue: value } }] };
};

export const tagRemovedBack = ({ target, key, previousValue }: Event<'TagRemoved'>, tags: Tags): Inverse => {
  if (isHidden(key, previousValue)) return HIDDEN;
  if (tags[key] !== undefined) return changedSince(`the tag ${JSON.stringify(key)}`);
  return { events: [{ type: 'TagSet', data: { target, key, value: previousValue, previousValue: null } }] };
};

/** Of the events that no aggregate undoes, and why. */
export const neverUndone = ({ type }: RegistryEvent): Inverse => {
  if (/(?:Created|Registered|Started)$/.test(type)) return { never: 'what was made is deleted instead' };
  if (/Restored$/.test(type)) return { never: 'what was restored is deleted again instead' };
  if (/Refused$/.test(type)) return { never: 'nothing was changed' };
  if (/^Artifact/.test(type)) return { never: 'files are stored and removed again instead' };
  return { never: 'it is a fact that a client reported' };
};
