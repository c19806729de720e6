import { deepStrictEqual } from 'node:assert/strict';
import type { DomainEvent, Recorded, RecordedEvent } from '../event.js';
import type { Projection } from '../projection.js';
import { parseStreamId } from '../stream-id.js';

/** Turns facts into a log: positions 1, 2, 3 … and versions per stream, recorded one second apart from 1 June 2026 on. */
export const recorded = <E extends DomainEvent>(
  facts: readonly (E & { readonly stream: string; readonly actor?: string; readonly occurredAt?: string })[],
): readonly Recorded<E>[] => {
  const versions = new Map<string, bigint>();
  return facts.map(({ stream, actor, occurredAt, type, data }, index) => {
    const version = (versions.get(stream) ?? 0n) + 1n;
    versions.set(stream, version);
    const event: RecordedEvent = {
      position: BigInt(index + 1),
      eventId: `01975b00-0000-7000-8000-${String(index + 1).padStart(12, '0')}`,
      streamId: stream,
      version,
      type,
      schemaVersion: 1,
      workspace: parseStreamId(stream).workspace,
      actor: actor ?? 'ada',
      commandId: `01975b00-0000-7000-9000-${String(index + 1).padStart(12, '0')}`,
      recordedAt: `${new Date(Date.UTC(2026, 5, 1, 12, 0, index)).toISOString().slice(0, -1)}000Z`,
      data,
      meta: {
        correlationId: '01975b00-0000-7000-8000-000000000000',
        actorKind: 'person',
        ...(occurredAt && { occurredAt }),
      },
    };
    return event as Recorded<E>;
  });
};

type Rows<Row> = Map<string, Row>;

const apply = <Row extends object, E extends DomainEvent>(
  projection: Projection<Row, E>,
  rows: Rows<Row>,
  event: Recorded<E>,
): void => {
  if (!projection.canHandle.includes(event.type)) return;
  const keys = projection.keys(event);
  deepStrictEqual(new Set(keys).size, keys.length, `${event.type} touches a row twice`);
  const rowOf = (key: string): Row | undefined => {
    // Storage reads no more than the rows that a batch touches: another one would be there by chance.
    deepStrictEqual(keys.includes(key), true, `${event.type} looks at ${key}, which it does not touch`);
    return rows.get(key);
  };
  for (const key of keys) {
    const row = projection.evolve(rows.get(key), event, key, rowOf);
    if (row === undefined) rows.delete(key);
    else rows.set(key, row);
  }
};

/** A row as storage gives it back: through JSON, so without what JSON does not hold. */
const stored = <Row extends object>(rows: Rows<Row>): Rows<Row> =>
  new Map([...rows].map(([key, row]) => [key, JSON.parse(JSON.stringify(row)) as Row]));

/**
 * A projection as a function of the log: the expected rows, and unasked three things that as-of reads, live batches and
 * rebuilds rest on. `evolve` changes no row in place, because an old version must stay as it was; it gives the same rows
 * from rows that were stored after every event as from those in memory; and keys begin with the event's workspace.
 */
export const projectionSpec = <Row extends object, E extends DomainEvent>(projection: Projection<Row, E>) => ({
  given: (events: readonly Recorded<E>[]) => ({
    thenRows: (expected: Readonly<Record<string, Row>>) => {
      const rows: Rows<Row> = new Map();
      let restarted: Rows<Row> = new Map();
      for (const event of events) {
        const before = stored(rows);
        const old = new Map(rows);
        apply(projection, rows, event);
        deepStrictEqual(stored(old), before, `${event.type} changed an old row in place`);
        apply(projection, restarted, event);
        restarted = stored(restarted);
        deepStrictEqual(restarted, stored(rows), `${event.type} gives another row from a stored one`);
      }
      for (const [index, key] of [...rows.keys()].entries()) {
        const isOwn = events.some(({ workspace }) => key.startsWith(`${workspace}/`));
        deepStrictEqual(isOwn, true, `row ${index}, ${key}, belongs to no workspace`);
      }
      deepStrictEqual(Object.fromEntries(rows), expected);
    },
  }),
});
