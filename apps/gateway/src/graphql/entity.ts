import type { DomainEvent, Position, Projection } from '@kontor/event-sourcing';
import type { ReadModel } from '@kontor/event-store';

/** A read model that people can list: which GraphQL type its rows are, and in which order a list shows them. */
export interface Entity<Row extends object> extends ReadModel {
  readonly type: string;
  /** A column of the read model; the key breaks ties. */
  readonly order: { readonly column: string; readonly descending: boolean };
  /** Properties of a row that may hold personal data. It stands there encrypted, and is opened for each answer. */
  readonly personal: readonly string[];
  /** Never present at run time: carries the row type to the functions that read. */
  readonly row?: Row;
}

/** Declares an entity; the row type follows from its projection. */
export const entity = <Row extends object, E extends DomainEvent>(
  type: string,
  projection: Projection<Row, E>,
  {
    columns,
    indexes,
    order,
    personal = [],
  }: Pick<Entity<Row>, 'columns' | 'indexes' | 'order'> & { readonly personal?: readonly (keyof Row & string)[] },
): Entity<Row> => ({ type, projection, columns, indexes, order, personal });

/** The one position at which everything below a root field is read. Travels through parent values. */
export interface Moment {
  readonly position: Position;
}

/** A row as it was at a moment. */
export type Seen<Row extends object> = Row & { readonly moment: Moment; readonly key: string };
