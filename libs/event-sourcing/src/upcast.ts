import type { EventMeta } from './event.js';
import { withEncryptedTexts } from './personal.js';

/** Lifts the data of one event from schema version n to n + 1. */
export type Upcaster = (data: unknown) => unknown;

/** Per event type: the upcasters from version 1 on, in order. The newest version is their number plus one. */
export type Upcasters = Readonly<Record<string, readonly Upcaster[]>>;

/** The newest schema version of an event type: 1 unless there are upcasters. */
export const newestVersion = (upcasters: Upcasters, type: string): number => (upcasters[type]?.length ?? 0) + 1;

/**
 * Lifts stored data to the newest schema version. Stored bytes never change; old versions are lifted on read.
 *
 * @throws Error if the event was written by a newer program than this one.
 */
export const upcast = (upcasters: Upcasters, type: string, schemaVersion: number, data: unknown): unknown => {
  const newest = newestVersion(upcasters, type);
  if (schemaVersion < 1 || schemaVersion > newest) {
    throw new Error(`${type}@${schemaVersion} is unknown here; this program reads up to ${type}@${newest}`);
  }
  return (upcasters[type] ?? []).slice(schemaVersion - 1).reduce((lifted, step) => step(lifted), data);
};

/**
 * The data of a stored event as readers see it: personal values as encrypted texts, lifted to the newest schema version.
 *
 * @throws Error if the event was written by a newer program than this one.
 */
export const readData = (
  upcasters: Upcasters,
  event: { readonly eventId: string; readonly type: string; readonly schemaVersion: number; readonly meta: EventMeta },
  data: unknown,
): unknown =>
  upcast(upcasters, event.type, event.schemaVersion, event.meta.encrypted ? withEncryptedTexts(event, data) : data);
