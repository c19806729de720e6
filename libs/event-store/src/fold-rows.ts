import type { Position, RecordedEvent } from '@kontor/event-sourcing';
import { ProjectionFailed } from './errors.js';
import type { AnyProjection } from './read-model.js';

/** A version of a row that is still true. `body` is its JSON text as stored. */
export interface OpenRow {
  readonly key: string;
  readonly workspace: string;
  readonly body: string;
  readonly row: object;
  readonly validFrom: Position;
}

/** A version of a row that is no longer true. */
export interface PastRow extends OpenRow {
  readonly validTo: Position;
}

/**
 * Folds one event into the open rows of a projection. A change closes the old version at the event's position and opens
 * the next one there; an equal row changes nothing.
 *
 * @param open the open rows by key; changed in place.
 * @param close receives every version that ends.
 * @throws ProjectionFailed if the projection throws, or a row already knows of this event or a later one.
 */
export const foldEvent = (
  projection: AnyProjection,
  event: RecordedEvent,
  open: Map<string, OpenRow>,
  close: (row: PastRow) => void,
): void => {
  const rowOf = (key: string): object | undefined => open.get(key)?.row;
  try {
    for (const key of projection.keys(event)) {
      const old = open.get(key);
      const row: object | undefined = projection.evolve(old?.row, event, key, rowOf);
      if (row === old?.row) continue;
      const body = row && JSON.stringify(row);
      if (row && old && body?.length === old.body.length && isEqualJson(row, old.row)) continue;
      if (old) {
        if (old.validFrom >= event.position) {
          throw new Error(`row ${key} is true from ${old.validFrom} on; the event would be applied twice`);
        }
        close({ ...old, validTo: event.position });
        open.delete(key);
      }
      if (row && body !== undefined) {
        open.set(key, { key, workspace: event.workspace, body, row, validFrom: event.position });
      }
    }
  } catch (error) {
    const { position, streamId, type } = event;
    throw new ProjectionFailed({ projection: projection.name, position, streamId, eventType: type }, error);
  }
};

/**
 * Whether two values have the same JSON, up to the order of members, so that their texts have the same length. Ends at the
 * first difference.
 */
const isEqualJson = (one: unknown, other: unknown): boolean => {
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) return one === other;
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  const others = other as Readonly<Record<string, unknown>>;
  let left = Object.values(others).filter((value) => value !== undefined).length;
  for (const [name, value] of Object.entries(one)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(others, name) || !isEqualJson(value, others[name])) return false;
    left -= 1;
  }
  return left === 0;
};

/** Whether the projection wants the event. */
export const handles = (projection: AnyProjection, event: RecordedEvent): boolean =>
  projection.canHandle.includes(event.type);
