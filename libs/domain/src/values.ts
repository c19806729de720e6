import type { Upcaster } from '@kontor/event-sourcing';
import { z } from 'zod';

/** The upcaster of a version that stores the same data in another way. */
export const sameData: Upcaster = (data) => data;

// Values that several contexts share. Limits stand here once; every schema of a command or an event uses them.

/** SHA-256 in lower-case hex with its prefix, as in OCI and in MLflow's dataset digests: `sha256:9f86…`. */
export const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'must be sha256: and 64 hex digits');

/** RFC 3339 in UTC. */
export const instant = z.iso.datetime();

/** A name that people choose and that becomes part of addresses: endpoint, monitor, data source, policy. */
export const slug = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'must be 1 to 63 of a-z, 0-9 and -, not beginning or ending with -');

/** An opaque id of a person or a service. */
export const actorId = z.string().min(1).max(200);

/** Text for people: a purpose, a reason, a description. */
export const text = z.string().max(5000);

/** Why a person does something. Blanks are no reason. */
export const reason = text.regex(/\S/, 'must say why');

/** Shares of traffic are basis points: 10,000 are all of it. */
export const basisPoints = z.int().min(0).max(10_000);

/** MLflow's limits: model names up to 256 characters; version numbers from 1. */
export const modelName = z.string().min(1).max(256);
export const versionNumber = z.int().min(1);

/** A registered version, named and bound to its bytes. */
export const modelVersionRef = z.strictObject({
  modelName,
  version: versionNumber,
  /** Digest of the manifest: every file of the version with size and SHA-256. It is the version's identity. */
  manifestDigest: digest,
});
export type ModelVersionRef = z.output<typeof modelVersionRef>;

/** How the data plane can run a version; none for a flavour that it does not serve. */
export const servable = z.strictObject({
  flavor: z.enum(['onnx', 'decision-table']),
  /** The model file, by content. */
  digest,
  sizeBytes: z.int().min(1),
  /** `golden.json`: rows and the outputs that were measured when the model was made. */
  goldenDigest: digest.nullable(),
});
export type Servable = z.output<typeof servable>;

/** A measured number with what is needed to judge it. `null` with a reason where it is not defined. */
export const measure = z.strictObject({
  value: z.number().nullable(),
  n: z.int().min(0),
  low: z.number().nullable(),
  high: z.number().nullable(),
  reason: z.string().nullable(),
});
export type Measure = z.output<typeof measure>;
