import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { artifactVariables, refuseUnclearStorage, toArtifactSettings } from './artifact-variables.js';
import { ConfigError, defineConfig, serviceVariables } from './define-config.js';

const { KONTOR_DATA_DIR } = serviceVariables;
const read = defineConfig(
  z
    .object({ KONTOR_DATA_DIR, ...artifactVariables })
    .superRefine(refuseUnclearStorage)
    .transform(toArtifactSettings),
);
const bucket = { KONTOR_ARTIFACTS_S3_BUCKET: 'models' };

describe('artifacts lie', () => {
  it('in the data directory unless they have a place of their own', () => {
    expect(read({ KONTOR_DATA_DIR: '/data' })).toEqual({ kind: 'disk', directory: '/data/artifacts' });
    expect(read({ KONTOR_ARTIFACTS_DIR: '/files' })).toEqual({ kind: 'disk', directory: '/files' });
  });

  it('in a bucket of AWS, with what the machine has for a key', () => {
    expect(read(bucket)).toEqual({
      kind: 's3',
      bucket: 'models',
      region: 'us-east-1',
      endpoint: undefined,
      clientEndpoint: 'same',
      credentials: undefined,
    });
  });

  it('in a bucket elsewhere, which clients reach at another address', () => {
    const settings = read({
      ...bucket,
      KONTOR_ARTIFACTS_S3_ENDPOINT: 'http://minio:9000',
      KONTOR_ARTIFACTS_S3_CLIENT_ENDPOINT: 'https://files.example',
      KONTOR_ARTIFACTS_S3_REGION: 'eu-central-1',
      KONTOR_ARTIFACTS_S3_ACCESS_KEY_ID: 'id',
      KONTOR_ARTIFACTS_S3_SECRET_ACCESS_KEY: 'secret',
    });
    expect(settings).toMatchObject({
      region: 'eu-central-1',
      endpoint: 'http://minio:9000',
      clientEndpoint: 'https://files.example',
      credentials: { accessKeyId: 'id', secretAccessKey: 'secret' },
    });
    expect(read({ ...bucket, KONTOR_ARTIFACTS_S3_CLIENT_ENDPOINT: 'none' })).toMatchObject({ clientEndpoint: 'none' });
  });
});

describe('a setting is refused', () => {
  it.each([
    [{ ...bucket, KONTOR_ARTIFACTS_DIR: '/d' }, 'KONTOR_ARTIFACTS_DIR is "/d": must not be set beside'],
    [{ KONTOR_ARTIFACTS_S3_ENDPOINT: 'http://h' }, 'KONTOR_ARTIFACTS_S3_BUCKET is not set: must be set beside'],
    [{ ...bucket, KONTOR_ARTIFACTS_S3_ACCESS_KEY_ID: 'id' }, 'SECRET_ACCESS_KEY is not set: the key id and the secret'],
    [{ KONTOR_ARTIFACTS_S3_BUCKET: 'a/b' }, 'KONTOR_ARTIFACTS_S3_BUCKET is "a/b": must be the name of a bucket'],
    [{ ...bucket, KONTOR_ARTIFACTS_S3_ENDPOINT: 'host' }, 'KONTOR_ARTIFACTS_S3_ENDPOINT is "host": must be an address'],
    [{ ...bucket, KONTOR_ARTIFACTS_S3_CLIENT_ENDPOINT: 'off' }, 'is "off": must be "none" or an address'],
  ])('%j', (environment, message) => {
    expect(() => read(environment)).toThrow(ConfigError);
    expect(() => read(environment)).toThrow(message);
  });
});
