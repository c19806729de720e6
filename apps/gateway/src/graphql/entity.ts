import type { DomainEvent, Position, Projection } from '@kontor/event-sourcing';
import type { ReadModel } from '@kontor/event-store';

/** A read model that people can list: which GraphQL type its rows are, and in which order a list shows them. */
export interface Entity<Row extends object> extends ReadModel {
  readonly type: string;
  /** A column of the read model; the key breaks ties. */
  readonly order: { readonly column: string; readonly descending: boolean };
  /** Never present at run time: carries the row type to the functions that read. */
  readonly row?: Row;
}

/** Declares an entity; the row type follows from its projection. */
export const entity = <Row extends object, E extends DomainEvent>(
  type: string,
  projection: Projection<Row, E>,
  { columns, indexes, order }: Pick<Entity<Row>, 'columns' | 'indexes' | 'order'>,
): Entity<Row> => ({ type, projection, columns, indexes, order });

/** The one position at which everything below a root field is read. Travels through parent values. */
export interface Moment {
  readonly position: Position;
}

/** A row as it was at a moment. */
export type Seen<Row extends object> = Row & { readonly moment: Moment; readonly key: string };
