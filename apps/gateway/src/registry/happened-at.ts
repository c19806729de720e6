import type { Position, RecordedEvent } from '@kontor/event-sourcing';

/** When an event happened: what was imported happened before it was recorded. */
export const happenedAt = ({ recordedAt, meta }: Pick<RecordedEvent, 'recordedAt' | 'meta'>): string =>
  meta.occurredAt ?? recordedAt;

/** The later one of two times. An import may record an older change after a newer one. */
export const later = (a: string, b: string): string => (Date.parse(b) >= Date.parse(a) ? b : a);

/** As long as the largest bigint. */
const POSITION_DIGITS = 19;

/** A position as a text, zero-padded: text order is log order. */
export const logOrder = (position: Position): string => String(position).padStart(POSITION_DIGITS, '0');
