import { contexts } from '@kontor/domain/contexts';

/**
 * The context that owns each event type. The log refuses a type from any other role, so a stolen credential of one
 * service forges no decision of another.
 *
 * @throws Error if two contexts name an event alike: readers could not tell them apart.
 */
export const eventTypes = (): Readonly<Record<string, string>> => {
  const owners: Record<string, string> = {};
  for (const { name, events } of contexts) {
    for (const type of Object.keys(events)) {
      if (owners[type] !== undefined) throw new Error(`${type} is an event of ${owners[type]} and of ${name}`);
      owners[type] = name;
    }
  }
  return owners;
};
