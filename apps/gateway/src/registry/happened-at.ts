import type { RecordedEvent } from '@kontor/event-sourcing';

/** When an event happened: what was imported happened before it was recorded. */
export const happenedAt = ({ recordedAt, meta }: Pick<RecordedEvent, 'recordedAt' | 'meta'>): string =>
  meta.occurredAt ?? recordedAt;

/** The later one of two times. An import may record an older change after a newer one. */
export const later = (a: string, b: string): string => (Date.parse(b) >= Date.parse(a) ? b : a);
