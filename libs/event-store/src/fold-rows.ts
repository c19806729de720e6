import { isDeepStrictEqual } from 'node:util';
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
  try {
    for (const key of projection.keys(event)) {
      const old = open.get(key);
      const row: object | undefined = projection.evolve(old?.row, event, key);
      if (row === old?.row) continue;
      const body = row && JSON.stringify(row);
      if (body !== undefined && old && isEqualJson(body, old.body)) continue;
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

/** Equal up to the order of members. Such texts have one length, and most others differ in it: parsing is dear. */
const isEqualJson = (one: string, other: string): boolean =>
  one === other || (one.length === other.length && isDeepStrictEqual(JSON.parse(one), JSON.parse(other)));

/** Whether the projection wants the event. */
export const handles = (projection: AnyProjection, event: RecordedEvent): boolean =>
  projection.canHandle.includes(event.type);
