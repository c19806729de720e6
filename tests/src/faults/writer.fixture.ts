// A process that appends: reads its commands from a file, keeps 16 in flight, and says every answer on a line of its own, so
// that what was said before a kill -9 is known to the parent.
import { readFileSync, writeSync } from 'node:fs';
import { createEventStore } from '@kontor/event-store';

/** A command as the parent writes it down. Sent again it is the same, event ids included. */
export interface WrittenCommand {
  readonly commandId: string;
  readonly streams: readonly string[];
  /** Per stream. */
  readonly eventIds: readonly (readonly string[])[];
}

/** A line of the writer. */
export interface Answer {
  readonly commandId: string;
  readonly outcome: string;
  readonly firstPosition?: string;
  readonly lastPosition?: string;
}

const IN_FLIGHT = 16;

const [url = '', file = ''] = process.argv.slice(2);
const store = createEventStore({ connectionString: url }, { upcasters: {}, appendDeadlineMs: 60_000 });
const waiting = JSON.parse(readFileSync(file, 'utf8')) as WrittenCommand[];

const send = async ({ commandId, streams, eventIds }: WrittenCommand): Promise<void> => {
  const result = await store.append({
    commandId,
    requestHash: new Uint8Array(32),
    actor: 'ada',
    writes: streams.map((stream, index) => ({
      stream,
      expected: 'any',
      events: (eventIds[index] ?? []).map((eventId) => ({
        eventId,
        type: 'Counted',
        schemaVersion: 1,
        data: { text: 'Grüße 模型 🙂' },
        meta: { correlationId: commandId, actorKind: 'person' },
      })),
    })),
  });
  const { firstPosition, lastPosition } = 'firstPosition' in result ? result : {};
  const answer: Answer = {
    commandId,
    outcome: result.outcome,
    ...(firstPosition !== undefined && { firstPosition: `${firstPosition}` }),
    ...(lastPosition !== undefined && { lastPosition: `${lastPosition}` }),
  };
  writeSync(1, `${JSON.stringify(answer)}\n`);
};

const caller = async (): Promise<void> => {
  for (let command = waiting.shift(); command; command = waiting.shift()) await send(command);
};
await Promise.all(Array.from({ length: IN_FLIGHT }, caller));
await store.close();
