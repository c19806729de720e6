import type { InferenceRecord } from '@kontor/domain/monitoring';
import { inferenceSubject } from '@kontor/messaging';

/** Whichever is full first. It bounds the memory of a process whose broker is away; what is beyond is dropped and counted. */
const MAX_RECORDS = 10_000;
const MAX_BYTES = 64 * 1024 * 1024;
const BATCH_BYTES = 900 * 1024; // below the broker's limit of 1 MiB for a message, with its headers
const FLUSH_MS = 50;

/** After a failed publish: often enough to follow a restarted broker, seldom enough not to disturb serving. */
const RETRY_MS = 500;

/** A record without its features. */
export type RecordOutline = Omit<InferenceRecord, 'features'>;

/** Publishes one message. `messageId` is the same for a repeated try. Rejects if it is not stored. */
export type PublishRecords = (subject: string, body: Uint8Array, messageId: string) => Promise<void>;

export interface DropCounts {
  /** Records that lost their features. */
  readonly payload: number;
  /** Records that were lost. */
  readonly row: number;
}

interface Entry {
  readonly subject: string;
  readonly id: string;
  text: string;
  /** Of the text in UTF-8: a message is limited in bytes, not in characters. */
  bytes: number;
  /** The text up to its features, kept while there are features to drop. */
  start: string | undefined;
}

const measured = (text: string): Pick<Entry, 'text' | 'bytes'> => ({ text, bytes: Buffer.byteLength(text) });

const encoder = new TextEncoder();

/**
 * A bounded buffer between requests and the stream INFER. Adding never waits and never fails: when the broker is away,
 * the oldest records first lose their features, then go; both are counted.
 */
export class InferenceLog {
  #entries: Entry[] = [];
  /** A message that may have been stored or not: sent again as it was, so that the stream knows it by its id. */
  #unsettled: readonly Entry[] = [];
  #bytes = 0;
  /** Entries before this index have no features any more. */
  #stripped = 0;
  #dropped = { payload: 0, row: 0 };
  #publishing: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #limits: { readonly records: number; readonly bytes: number };

  constructor(
    private readonly publish: PublishRecords,
    limits = { records: MAX_RECORDS, bytes: MAX_BYTES },
  ) {
    this.#limits = limits;
  }

  get dropped(): DropCounts {
    return { ...this.#dropped };
  }

  get waiting(): number {
    return this.#entries.length + this.#unsettled.length;
  }

  /** @param features - the text of a JSON object, as in {@link InferenceRecord} */
  add(record: RecordOutline, features: string): void {
    const start = `${JSON.stringify(record).slice(0, -1)},"features":`;
    const subject = inferenceSubject(record.workspace, record.endpoint);
    const entry: Entry = { subject, id: record.predictionId, ...measured(`${start}${features}}`), start };
    if (features === '{}') entry.start = undefined;
    // No message could carry it: its features are dropped at once.
    if (entry.bytes > BATCH_BYTES) this.#strip(entry);
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
    this.#shrink();
    this.#schedule(this.#bytes >= BATCH_BYTES ? 0 : FLUSH_MS);
  }

  #strip(entry: Entry): void {
    if (entry.start === undefined) return;
    Object.assign(entry, measured(`${entry.start}{}}`));
    entry.start = undefined;
    this.#dropped.payload += 1;
  }

  #shrink(): void {
    while (this.#bytes > this.#limits.bytes && this.#stripped < this.#entries.length) {
      const entry = this.#entries[this.#stripped];
      this.#stripped += 1;
      if (!entry) break;
      this.#bytes -= entry.bytes;
      this.#strip(entry);
      this.#bytes += entry.bytes;
    }
    while (this.#entries.length > this.#limits.records || this.#bytes > this.#limits.bytes) {
      const oldest = this.#entries.shift();
      if (!oldest) break;
      this.#bytes -= oldest.bytes;
      this.#stripped = Math.max(0, this.#stripped - 1);
      this.#dropped.row += 1;
    }
  }

  #schedule(delayMs: number): void {
    if (this.#publishing) return;
    if (this.#timer) {
      if (delayMs > 0) return;
      clearTimeout(this.#timer);
    }
    this.#timer = setTimeout(() => void this.flush(), delayMs);
  }

  /** The oldest records of one subject, as many as fit into a message, in their order. */
  #take(): Entry[] {
    const subject = this.#entries[0]?.subject;
    const batch: Entry[] = [];
    const rest: Entry[] = [];
    let bytes = 0;
    let stripped = 0;
    let isOpen = true;
    this.#entries.forEach((entry, index) => {
      isOpen &&= entry.subject !== subject || bytes + entry.bytes <= BATCH_BYTES;
      if (isOpen && entry.subject === subject) {
        bytes += entry.bytes + 1;
        batch.push(entry);
        if (index < this.#stripped) stripped += 1;
      } else {
        rest.push(entry);
      }
    });
    this.#entries = rest;
    this.#stripped -= stripped;
    for (const entry of batch) this.#bytes -= entry.bytes;
    return batch;
  }

  /** Publishes what waits now. Resolves when that is done, or at the first failure. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#publishing ??= this.#publishWaiting().then((isStored) => {
      this.#publishing = undefined;
      if (this.waiting > 0) this.#schedule(!isStored ? RETRY_MS : this.#bytes >= BATCH_BYTES ? 0 : FLUSH_MS);
    });
    return this.#publishing;
  }

  /** @returns whether everything that waited at the start is stored; what comes meanwhile gathers for the next message */
  async #publishWaiting(): Promise<boolean> {
    for (let left = this.waiting; left > 0;) {
      if (this.#unsettled.length === 0) this.#unsettled = this.#take();
      const [first] = this.#unsettled;
      if (!first) return true;
      const body = encoder.encode(`[${this.#unsettled.map(({ text }) => text).join(',')}]`);
      try {
        await this.publish(first.subject, body, `${first.id}/${this.#unsettled.length}`);
      } catch {
        // The failure is not lost: the records wait for the next try, and what that costs the others is counted.
        return false;
      }
      left -= this.#unsettled.length;
      this.#unsettled = [];
    }
    return true;
  }

  /** @param timeoutMs - how long the broker may take for what still waits */
  async close(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<'over'>((resolve) => (timer = setTimeout(() => resolve('over'), timeoutMs)));
    // Twice, because the first may be one that was under way.
    for (let tries = 2; tries > 0 && this.waiting > 0; tries -= 1) {
      if ((await Promise.race([this.flush(), deadline])) === 'over') break;
    }
    clearTimeout(timer);
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
