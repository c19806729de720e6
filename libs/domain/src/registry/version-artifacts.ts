import { z } from 'zod';
import { digest, servable } from '../values.js';

/** The files of a model version and what can be done with them, fixed at registration. */
export const versionArtifacts = z.strictObject({
  /** SHA-256 over the canonical list (RFC 8785) of path, sizeBytes and digest of every file, sorted by path. */
  manifestDigest: digest,
  files: z.array(z.strictObject({ path: z.string(), sizeBytes: z.int().min(0), digest })).max(10_000),
  /** Null where the flavour is none that the data plane runs. */
  servable: servable.nullable(),
});
export type VersionArtifacts = z.output<typeof versionArtifacts>;
