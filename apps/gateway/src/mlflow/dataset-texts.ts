import { Readable } from 'node:stream';
import { text as readText } from 'node:stream/consumers';
import type { ArtifactStore } from '@kontor/artifact-store';
import type { RunRow } from '../registry/runs.projection.js';

/** Characters of a schema or profile that an event holds itself: schema, profile and source together must fit in one. */
const MAX_INLINE_CHARACTERS = 16_384;

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/**
 * A dataset's schema or profile as the event holds it: the text, or the digest of a long one in the content store.
 *
 * A text that looks like a digest is stored too, so that no caller can name content that is not his.
 */
export const storedText = async (store: ArtifactStore, text: string | undefined): Promise<string | null> => {
  if (text === undefined) return null;
  if (text.length <= MAX_INLINE_CHARACTERS && !DIGEST.test(text)) return text;
  return (await store.put(Readable.from([Buffer.from(text)]))).digest;
};

const loaded = async (store: ArtifactStore, stored: string | null): Promise<string | null> =>
  stored !== null && DIGEST.test(stored) ? readText((await store.open(stored)).bytes) : stored;

/** The run with the texts of its datasets in place of their digests. */
export const withDatasetTexts = async (store: ArtifactStore, run: RunRow): Promise<RunRow> => ({
  ...run,
  datasets: await Promise.all(
    run.datasets.map(async (dataset) => ({
      ...dataset,
      schema: await loaded(store, dataset.schema),
      profile: await loaded(store, dataset.profile),
    })),
  ),
});
