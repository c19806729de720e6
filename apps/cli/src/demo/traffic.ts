import { type CensusRows, LABEL, tensors } from './census.js';
import type { Prediction } from './doors.js';
import type { Stage } from './stage.js';

/** Requests under way at once: enough to keep two cores busy. */
const IN_FLIGHT = 8;
/** A restarting process is back within seconds; a request is asked again until then. */
const MAX_TRIES = 100;
const RETRY_MS = 100;
/** The door takes 10,000 labels a batch. */
const LABELS_PER_BATCH = 10_000;

export interface Replay {
  readonly rows: CensusRows;
  /** Which of them, as fractions of all: half-open. */
  readonly from?: number;
  readonly to?: number;
  readonly rowsPerRequest: number;
  /** The year that the rows are spread over, in event time. */
  readonly year: number;
  /** A fault upstream. */
  readonly change?: (feature: string, value: number) => number;
  /** Begins again after the last row; `until` must end it. */
  readonly repeat?: boolean;
  /** Stops early, asked before every request. */
  readonly until?: () => boolean;
}

export interface Replayed {
  readonly requests: number;
  readonly rows: number;
  readonly rowsByRevision: ReadonlyMap<string, number>;
  /** How often a request had to be asked again because serving was away. */
  readonly retries: number;
  readonly labels: readonly Label[];
}

interface Label {
  readonly predictionId: string;
  readonly row: number;
  readonly label: number;
  readonly observedAt: string;
}

/** Event time of a request: its place among the rows, as a moment of the year. */
const momentOf = (year: number, fraction: number): string => {
  const start = Date.UTC(year, 0, 1);
  return new Date(start + Math.floor(fraction * (Date.UTC(year + 1, 0, 1) - start))).toISOString();
};

/**
 * Sends rows of a year as traffic, at full speed and in order of event time.
 *
 * @returns who answered, and the labels that will become known later.
 */
export const replay = async (
  { people, names }: Stage,
  { rows, from = 0, to = 1, rowsPerRequest, year, change, repeat = false, until = () => false }: Replay,
): Promise<Replayed> => {
  const first = Math.floor(from * rows.rows);
  const end = Math.floor(to * rows.rows);
  const rowsByRevision = new Map<string, number>();
  const labels: Label[] = [];
  let next = first;
  let requests = 0;
  let sent = 0;
  let retries = 0;

  const ask = async (start: number, stop: number, moment: string): Promise<Prediction> => {
    const inputs = tensors(rows, start, stop, change);
    for (let tries = 1; ; tries++) {
      const prediction = await people.otto.infer(names.endpoint, inputs, moment);
      if (prediction) return prediction;
      if (tries === MAX_TRIES) throw new Error(`the endpoint ${names.endpoint} did not come back`);
      retries++;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  };
  const send = async (): Promise<void> => {
    while ((next < end || repeat) && !until()) {
      const start = next < end ? next : first;
      const stop = Math.min(start + rowsPerRequest, end);
      next = stop;
      const observedAt = momentOf(year, start / rows.rows);
      const { predictionId, revisionId } = await ask(start, stop, observedAt);
      requests++;
      sent += stop - start;
      rowsByRevision.set(revisionId, (rowsByRevision.get(revisionId) ?? 0) + stop - start);
      for (let row = start; row < stop; row++) {
        labels.push({ predictionId, row: row - start, label: rows.labels[row] ?? 0, observedAt });
      }
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, send));
  return { requests, rows: sent, rowsByRevision, retries, labels };
};

/** Sends labels as they become known: batches of at most 10,000. */
export const sendLabels = async ({ people, names }: Stage, labels: readonly Label[]): Promise<void> => {
  for (let from = 0; from < labels.length; from += LABELS_PER_BATCH) {
    const batch = labels.slice(from, from + LABELS_PER_BATCH);
    await people.otto.groundTruth({ endpoint: names.endpoint, labelName: LABEL, source: 'census', labels: batch });
  }
};
