import type { RegistryEvent } from './events.js';
import { RUN_NAME_TAG } from './run-data.js';
import type { Tags } from './tags.js';
import { changedSince, type Inverse, neverUndone, tagRemovedBack, tagSetBack } from './undo.js';

interface Run {
  readonly status: 'Active' | 'Deleted';
  readonly name: string;
  readonly tags: Tags;
}
type Event<Type extends RegistryEvent['type']> = Extract<RegistryEvent, { type: Type }>['data'];

/** What undoes an event of a run. */
export const runEventBack = (event: RegistryEvent, { status, name, tags }: Run): Inverse => {
  if (event.type === 'RunDeleted') {
    const { runId } = event.data;
    return status === 'Active'
      ? changedSince('whether the run is deleted')
      : { events: [{ type: 'RunRestored', data: { runId } }] };
  }
  if (status === 'Deleted') return { conflict: 'the run was deleted since' };
  switch (event.type) {
    case 'RunRenamed': {
      const { runId, previousName } = event.data;
      if (name !== event.data.name) return changedSince('the name');
      return { events: [{ type: 'RunRenamed', data: { runId, name: previousName, previousName: name } }] };
    }
    case 'RunDataLogged':
      return loggedBack(event.data, tags);
    case 'TagRemoved':
      return asLogged(event.data.target, tagRemovedBack(event.data, tags));
    default:
      return neverUndone(event);
  }
};

/** Tags of a batch. The one that names the run goes back with the name, which is an event of its own. */
const loggedBack = ({ runId, metrics, params, tags: logged }: Event<'RunDataLogged'>, tags: Tags): Inverse => {
  if (metrics.length + params.length > 0) return { never: 'metrics and params are only ever added' };
  const target = { aggregate: 'run', runId } as const;
  const inverses = logged
    .filter(({ key }) => key !== RUN_NAME_TAG)
    .map((tag) => asLogged(target, tagSetBack({ target, ...tag }, tags)));
  const events = inverses.flatMap((found) => ('events' in found ? found.events : []));
  return inverses.find((found) => !('events' in found)) ?? { events };
};

/** A run's tags are set by what it logs. */
const asLogged = (target: Event<'TagSet'>['target'], found: Inverse): Inverse => {
  if (!('events' in found) || target.aggregate !== 'run') return found;
  const { runId } = target;
  return {
    events: found.events.map((event) => {
      if (event.type !== 'TagSet') return event;
      const { key, value, previousValue } = event.data;
      return { type: 'RunDataLogged', data: { runId, metrics: [], params: [], tags: [{ key, value, previousValue }] } };
    }),
  };
};
