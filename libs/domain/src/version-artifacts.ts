import { z } from 'zod';
import { digestOf } from './digest.js';
import { digest, servable } from './values.js';

/** Every file of a version. */
export const versionFiles = z
  .array(z.strictObject({ path: z.string(), sizeBytes: z.int().min(0), digest }))
  .max(10_000);
type VersionFiles = z.output<typeof versionFiles>;

/** The files of a model version and what can be done with them, fixed at registration. */
export const versionArtifacts = z.strictObject({
  /** SHA-256 over the canonical list (RFC 8785) of path, sizeBytes and digest of every file, sorted by path. */
  manifestDigest: digest,
  files: versionFiles,
  /** Null where the flavour is none that the data plane runs. */
  servable: servable.nullable(),
});
export type VersionArtifacts = z.output<typeof versionArtifacts>;

/** The identity of a version: its files as one digest. */
export const manifestDigestOf = (files: VersionFiles): string =>
  digestOf([...files].sort((a, b) => (a.path < b.path ? -1 : 1)));

const SERVED_NAMES = { onnx: 'model.onnx', 'decision-table': 'decision-table.json' } as const;
const GOLDEN_NAME = 'golden.json';

const named = (files: VersionFiles, name: string): VersionFiles =>
  files.filter(({ path }) => path === name || path.endsWith(`/${name}`));

/**
 * Why these are not the artifacts of a version; undefined if they are. What is approved is the digest of the manifest, and
 * what is served is one file: so that file must be in the manifest, and its golden outputs cannot be left out.
 */
export const artifactsProblem = ({ manifestDigest, files, servable: served }: VersionArtifacts): string | undefined => {
  const actual = manifestDigestOf(files);
  if (actual !== manifestDigest) return `the files have the digest ${actual}, not ${manifestDigest}`;
  if (served === null) return undefined;
  const name = SERVED_NAMES[served.flavor];
  const isThere = named(files, name).some(
    (file) => file.digest === served.digest && file.sizeBytes === served.sizeBytes,
  );
  if (!isThere) return `no ${name} of ${served.sizeBytes} bytes with the digest ${served.digest} is among the files`;
  const golden = named(files, GOLDEN_NAME).map((file) => file.digest);
  const isGolden = served.goldenDigest === null ? golden.length === 0 : golden.includes(served.goldenDigest);
  return isGolden
    ? undefined
    : `the golden outputs ${served.goldenDigest ?? '(none)'} are not the ones among the files`;
};
