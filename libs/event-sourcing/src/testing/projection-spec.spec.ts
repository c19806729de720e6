import { describe, expect, it } from 'vitest';
import type { DomainEvent } from '../event.js';
import type { Projection } from '../projection.js';
import { projectionSpec, recorded } from './projection-spec.js';

type Counted = DomainEvent<'Counted', { readonly by: number }>;
interface Row {
  readonly sum: number;
  readonly seen?: Date | undefined;
}

const stream = 'default/registry/run/a';
const events = recorded<Counted>([
  { type: 'Counted', data: { by: 1 }, stream },
  { type: 'Counted', data: { by: 2 }, stream },
]);
const counting = (change: Partial<Projection<Row, Counted>>): Projection<Row, Counted> => ({
  name: 'counts',
  version: 1,
  canHandle: ['Counted'],
  keys: () => ['default/a'],
  evolve: (row, event) => ({ sum: (row?.sum ?? 0) + event.data.by }),
  ...change,
});
const expecting = (projection: Projection<Row, Counted>, row: Row = { sum: 3 }, key = 'default/a') =>
  projectionSpec(projection)
    .given(events)
    .thenRows({ [key]: row });

describe('projectionSpec', () => {
  it('is content with a projection that is a function of the log', () => {
    expecting(counting({}));
  });

  it('refuses other rows', () => {
    expect(() => expecting(counting({}), { sum: 4 })).toThrow();
  });

  it('refuses a row that is changed in place', () => {
    const evolve: Projection<Row, Counted>['evolve'] = (row, event) =>
      row ? Object.assign(row, { sum: row.sum + event.data.by }) : { sum: event.data.by };
    expect(() => expecting(counting({ evolve }))).toThrow('changed an old row in place');
  });

  it('refuses a projection that needs more of its row than JSON holds', () => {
    const evolve: Projection<Row, Counted>['evolve'] = (row, event) => ({
      sum: (row?.seen instanceof Date ? row.sum : 0) + event.data.by,
      seen: new Date(0),
    });
    expect(() => expecting(counting({ evolve }), { sum: 3, seen: new Date(0) })).toThrow('from a stored one');
  });

  it('refuses a look at a row that the event does not touch', () => {
    const evolve: Projection<Row, Counted>['evolve'] = (row, event, _key, other) => ({
      sum: (row ?? other('default/b') ?? { sum: 0 }).sum + event.data.by,
    });
    expect(() => expecting(counting({ evolve }))).toThrow('looks at default/b, which it does not touch');
  });

  it('refuses a row that two workspaces would share, and one that an event touches twice', () => {
    const shared = counting({ keys: () => ['a'] });
    expect(() => expecting(shared, { sum: 3 }, 'a')).toThrow('belongs to no workspace');
    expect(() => expecting(counting({ keys: () => ['default/a', 'default/a'] }))).toThrow('touches a row twice');
  });
});
