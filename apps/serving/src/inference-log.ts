import type { InferenceRecord } from '@kontor/domain/monitoring';
import { inferenceSubject } from '@kontor/messaging';

/** @source serving reference, section 7: 64 MB or 10,000 records; batches of 1 MB or 50 ms. */
const MAX_RECORDS = 10_000;
const MAX_BYTES = 64 * 1024 * 1024;
const BATCH_BYTES = 900 * 1024; // below the broker's limit of 1 MiB for a message, with its headers
const FLUSH_MS = 50;

/** After a failed publish: often enough to follow a restarted broker, seldom enough not to disturb serving. */
const RETRY_MS = 500;

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
  /** The record without its features, kept while there are features to drop. */
  bare: string | undefined;
}

const encoder = new TextEncoder();

/**
 * A bounded buffer between requests and the stream INFER. Adding never waits and never fails: when the broker is away,
 * the oldest records first lose their features, then go; both are counted.
 */
export class InferenceLog {
  #entries: Entry[] = [];
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
    return this.#entries.length;
  }

  add(record: InferenceRecord): void {
    // Both texts for the price of one: the features are written last, over the empty ones.
    const { features, ...rest } = record;
    const empty = `${JSON.stringify(rest).slice(0, -1)},"features":{}}`;
    const hasFeatures = Object.keys(features).length > 0;
    const text = hasFeatures ? `${empty.slice(0, -'{}}'.length)}${JSON.stringify(features)}}` : empty;
    const bare = hasFeatures ? empty : undefined;
    const subject = inferenceSubject(record.workspace, record.endpoint);
    const entry: Entry = { subject, id: record.predictionId, text, bare };
    // No message could carry it: its features are dropped at once.
    if (text.length > BATCH_BYTES) this.#strip(entry);
    this.#entries.push(entry);
    this.#bytes += entry.text.length;
    this.#shrink();
    this.#schedule(this.#bytes >= BATCH_BYTES ? 0 : FLUSH_MS);
  }

  #strip(entry: Entry): void {
    if (entry.bare === undefined) return;
    entry.text = entry.bare;
    entry.bare = undefined;
    this.#dropped.payload += 1;
  }

  #shrink(): void {
    while (this.#bytes > this.#limits.bytes && this.#stripped < this.#entries.length) {
      const entry = this.#entries[this.#stripped];
      this.#stripped += 1;
      if (!entry) break;
      this.#bytes -= entry.text.length;
      this.#strip(entry);
      this.#bytes += entry.text.length;
    }
    while (this.#entries.length > this.#limits.records || this.#bytes > this.#limits.bytes) {
      const oldest = this.#entries.shift();
      if (!oldest) break;
      this.#bytes -= oldest.text.length;
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
      isOpen &&= entry.subject !== subject || bytes + entry.text.length <= BATCH_BYTES;
      if (isOpen && entry.subject === subject) {
        bytes += entry.text.length + 1;
        batch.push(entry);
        if (index < this.#stripped) stripped += 1;
      } else {
        rest.push(entry);
      }
    });
    this.#entries = rest;
    this.#stripped -= stripped;
    for (const entry of batch) this.#bytes -= entry.text.length;
    return batch;
  }

  /** Publishes what waits. Resolves when nothing waits any more, or at the first failure. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#publishing ??= this.#publishAll().finally(() => {
      this.#publishing = undefined;
      if (this.#entries.length > 0) this.#schedule(RETRY_MS);
    });
    return this.#publishing;
  }

  async #publishAll(): Promise<void> {
    while (this.#entries.length > 0) {
      const batch = this.#take();
      const [first] = batch;
      if (!first) return;
      const body = encoder.encode(`[${batch.map(({ text }) => text).join(',')}]`);
      try {
        await this.publish(first.subject, body, `${first.id}/${batch.length}`);
      } catch {
        // The failure is not lost: the records wait for the next try, and what that costs is counted.
        this.#entries = [...batch, ...this.#entries];
        for (const { text } of batch) this.#bytes += text.length;
        this.#stripped = 0;
        this.#shrink();
        return;
      }
    }
  }

  /** @param timeoutMs - how long the broker may take for what still waits */
  async close(timeoutMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const deadline = new Promise<void>((resolve) => (timer = setTimeout(resolve, timeoutMs)));
    await Promise.race([this.flush(), deadline]);
    clearTimeout(timer);
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
