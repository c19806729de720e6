import { join, resolve } from 'node:path';
import type { ArtifactSettings } from '@kontor/artifact-store';
import { z } from 'zod';

const ADDRESS = 'an address such as https://s3.example:9000';
const address = (allowed: string) => z.url({ protocol: /^https?$/, error: `must be ${allowed}` });
const BUCKET = 'must be the name of a bucket: 3 to 63 of a-z, 0-9, . and -';

/** Variables of a process that reads or writes the bytes of artifacts. */
export const artifactVariables = {
  /** Files by content. Default: `artifacts` in the data directory. */
  KONTOR_ARTIFACTS_DIR: z.string().optional(),
  /** A bucket of a storage that speaks S3, for the platform alone, in place of a directory. */
  KONTOR_ARTIFACTS_S3_BUCKET: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, BUCKET)
    .optional(),
  /** Where the storage is. Default: AWS, in the region. */
  KONTOR_ARTIFACTS_S3_ENDPOINT: address(ADDRESS).optional(),
  KONTOR_ARTIFACTS_S3_REGION: z.string().default('us-east-1'),
  /** Both or neither; without them the machine's role, or what else the AWS SDK finds. */
  KONTOR_ARTIFACTS_S3_ACCESS_KEY_ID: z.string().optional(),
  KONTOR_ARTIFACTS_S3_SECRET_ACCESS_KEY: z.string().optional(),
  /** Where clients reach the storage for uploads and downloads in parts; `none` if they do not. Default: the same address. */
  KONTOR_ARTIFACTS_S3_CLIENT_ENDPOINT: z.union([z.literal('none'), address(`"none" or ${ADDRESS}`)]).optional(),
} as const;

type ArtifactVariables = z.output<z.ZodObject<typeof artifactVariables>>;

/** Refuses settings of which one would be ignored. */
export const refuseUnclearStorage = (set: ArtifactVariables, context: z.RefinementCtx): void => {
  const refuse = (name: keyof ArtifactVariables, message: string) =>
    context.addIssue({ code: 'custom', path: [name], message });
  const isS3 = set.KONTOR_ARTIFACTS_S3_BUCKET !== undefined;
  if (isS3 && set.KONTOR_ARTIFACTS_DIR !== undefined)
    refuse('KONTOR_ARTIFACTS_DIR', 'must not be set beside KONTOR_ARTIFACTS_S3_BUCKET: artifacts lie in one place');
  if (!isS3 && set.KONTOR_ARTIFACTS_S3_ENDPOINT !== undefined)
    refuse('KONTOR_ARTIFACTS_S3_BUCKET', 'must be set beside KONTOR_ARTIFACTS_S3_ENDPOINT');
  const pair = ['KONTOR_ARTIFACTS_S3_ACCESS_KEY_ID', 'KONTOR_ARTIFACTS_S3_SECRET_ACCESS_KEY'] as const;
  const absent = pair.filter((name) => set[name] === undefined);
  if (absent.length === 1 && absent[0]) refuse(absent[0], 'the key id and the secret belong together');
};

/** Where artifacts lie, out of {@link artifactVariables}; {@link refuseUnclearStorage} must have passed. */
export const toArtifactSettings = (set: ArtifactVariables & { readonly KONTOR_DATA_DIR: string }): ArtifactSettings => {
  const bucket = set.KONTOR_ARTIFACTS_S3_BUCKET;
  if (bucket === undefined)
    return { kind: 'disk', directory: resolve(set.KONTOR_ARTIFACTS_DIR ?? join(set.KONTOR_DATA_DIR, 'artifacts')) };
  const accessKeyId = set.KONTOR_ARTIFACTS_S3_ACCESS_KEY_ID;
  const secretAccessKey = set.KONTOR_ARTIFACTS_S3_SECRET_ACCESS_KEY;
  return {
    kind: 's3',
    bucket,
    region: set.KONTOR_ARTIFACTS_S3_REGION,
    endpoint: set.KONTOR_ARTIFACTS_S3_ENDPOINT,
    clientEndpoint: set.KONTOR_ARTIFACTS_S3_CLIENT_ENDPOINT ?? 'same',
    credentials: accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey } : undefined,
  };
};
