import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pythonWith, S3_REQUIREMENTS, startS3, type TestS3 } from '@kontor/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepare } from '../../bad-input/fixture.js';
import { kontor, type Platform, run, startPlatform } from '../../platform.js';

const client = pythonWith(readFileSync(join(import.meta.dirname, 'requirements.txt'), 'utf8'));
const storage = pythonWith(S3_REQUIREMENTS);
const missing = [client, storage].flatMap((environment) => ('missing' in environment ? [environment.missing] : []));

if (missing.length > 0) console.warn(`a platform with a bucket is not tested: ${missing.join('; ')}`);

describe.skipIf(missing.length > 0 && !process.env['CI'])('a platform whose files lie in a bucket', () => {
  let s3: TestS3;
  let bucket: string;
  let platform: Platform;
  beforeAll(async () => {
    if ('missing' in storage) throw new Error(storage.missing);
    s3 = await startS3(storage.python);
    bucket = await s3.makeBucket();
    return () => s3.stop();
  });
  beforeAll(async () => {
    platform = await startPlatform({
      KONTOR_ARTIFACTS_S3_BUCKET: bucket,
      KONTOR_ARTIFACTS_S3_ENDPOINT: s3.url,
      KONTOR_ARTIFACTS_S3_ACCESS_KEY_ID: 'kontor',
      KONTOR_ARTIFACTS_S3_SECRET_ACCESS_KEY: 'the-secret-of-the-bucket',
    });
    return platform.stop;
  });

  it('takes and gives files of the unmodified client in parts, past the gateway', async () => {
    if ('missing' in client) throw new Error(client.missing);
    const { exitCode, output } = await run(client.python, [join(import.meta.dirname, 'artifacts.py'), 'parts'], {
      env: { MLFLOW_TRACKING_URI: platform.gatewayUrl },
    });
    expect(exitCode, output).toBe(0);
    expect(output).toContain('"step": "done"');
    const uploads = await (await fetch(`${s3.url}/${bucket}?list-type=2&prefix=uploads/`)).text();
    expect(uploads.match(/<Key>uploads\/[0-9a-f]{64}\/[0-9a-f-]{36}\.json<\/Key>/g)?.length).toBeGreaterThan(5);
  });

  it('serves a model from there, with its golden rows', async () => {
    const { endpoint } = await prepare(platform);
    const { ok } = await fetch(`${platform.servingUrl}/v2/models/${endpoint}/ready`);
    expect(ok).toBe(true);
  });

  it('leaves read models that equal the log, and says its key nowhere', async () => {
    const { exitCode, output } = await kontor(['replay', '--verify'], { KONTOR_DATA_DIR: platform.dataDir });
    expect(exitCode, output).toBe(0);
    expect(platform.output()).not.toContain('the-secret-of-the-bucket');
  });
});
