import { ArtifactUnusable, type ArtifactReader, readArtifact } from '@kontor/artifact-store';
import type { RouteEntry } from '@kontor/domain/deployment';
import { Batcher } from './batcher.js';
import { openDecisionTable } from './decision-table-runner.js';
import { openOnnxRunner } from './onnx-runner.js';
import { ModelRefused, type ModelRunner } from './runner.js';
import { warmUp, type WarmUp } from './warm-up.js';

type Servable = RouteEntry['revisions'][number]['servable'];

export type RevisionState =
  | { readonly state: 'loading' }
  | ({
      readonly state: 'loaded';
      readonly runner: ModelRunner;
      readonly digest: string;
      readonly loadMs: number;
    } & WarmUp)
  | { readonly state: 'failed'; readonly reason: string };

/** What a serving process has to say about a revision once. */
export type RevisionOutcome = Exclude<RevisionState, { state: 'loading' }>;

/** A model is held in memory once per worker; a larger file is a mistake on a server of this kind. */
const MAX_ARTIFACT_BYTES = 512 * 1024 * 1024;

/** A file may arrive after the route that names it, or its disk may be away: the next try is after this pause. */
const READ_RETRY_MS = 1_000;
const READ_TRIES = 5;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The models of this process, by revision. One that is refused never disturbs the others. */
export class ModelHost {
  readonly #revisions = new Map<string, RevisionState>();

  constructor(
    private readonly artifacts: ArtifactReader,
    private readonly onOutcome: (endpoint: string, revisionId: string, outcome: RevisionOutcome) => void,
  ) {}

  static #key(endpoint: string, revisionId: string): string {
    return `${endpoint}/${revisionId}`;
  }

  get(endpoint: string, revisionId: string): RevisionState | undefined {
    return this.#revisions.get(ModelHost.#key(endpoint, revisionId));
  }

  /** Loads what is new among the revisions of an endpoint and closes what is gone. */
  keep(endpoint: string, revisions: readonly { readonly revisionId: string; readonly servable: Servable }[]): void {
    const wanted = new Set(revisions.map(({ revisionId }) => ModelHost.#key(endpoint, revisionId)));
    for (const [key, state] of this.#revisions) {
      if (!key.startsWith(`${endpoint}/`) || wanted.has(key)) continue;
      this.#revisions.delete(key);
      if (state.state === 'loaded') void state.runner.close();
    }
    for (const { revisionId, servable } of revisions) {
      const key = ModelHost.#key(endpoint, revisionId);
      if (this.#revisions.has(key)) continue;
      this.#revisions.set(key, { state: 'loading' });
      void this.#load(servable).then((outcome) => {
        if (!this.#revisions.has(key)) {
          return outcome.state === 'loaded' ? outcome.runner.close() : undefined;
        }
        this.#revisions.set(key, outcome);
        this.onOutcome(endpoint, revisionId, outcome);
        return undefined;
      });
    }
  }

  async #read(digest: string): Promise<Uint8Array> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await readArtifact(this.artifacts, digest, MAX_ARTIFACT_BYTES);
      } catch (error) {
        if (error instanceof ArtifactUnusable) throw new ModelRefused(error.message, { cause: error });
        if (attempt === READ_TRIES)
          throw new ModelRefused(`${digest} cannot be read: ${(error as Error).message}`, { cause: error });
        await pause(READ_RETRY_MS);
      }
    }
  }

  async #load({ flavor, digest, goldenDigest }: Servable): Promise<RevisionOutcome> {
    const started = performance.now();
    let runner: ModelRunner | undefined;
    try {
      const bytes = await this.#read(digest);
      const golden = goldenDigest === null ? null : await this.#read(goldenDigest);
      runner = flavor === 'onnx' ? await openOnnxRunner(bytes) : openDecisionTable(bytes);
      const result = await warmUp(runner, golden);
      runner = new Batcher(runner, result.isRowwise || flavor === 'decision-table');
      return { state: 'loaded', runner, digest, loadMs: performance.now() - started, ...result };
    } catch (error) {
      await runner?.close();
      return { state: 'failed', reason: (error as Error).message };
    }
  }

  async close(): Promise<void> {
    await Promise.all(
      [...this.#revisions.values()].map((state) => (state.state === 'loaded' ? state.runner.close() : undefined)),
    );
    this.#revisions.clear();
  }
}
