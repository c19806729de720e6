import { describe, expect, it } from 'vitest';
import { appEnvironment } from './app-environment.js';

const environment = {
  PATH: '/bin',
  TZ: 'Europe/Vienna',
  HOME: '/home/ada',
  PGHOST: 'db.example',
  PGPASSWORD: 'secret',
  AWS_SECRET_ACCESS_KEY: 'secret',
  KONTOR_PG_URL: 'postgresql://admin:secret@db.example/kontor',
  KONTOR_NATS_URL: 'nats://admin:secret@nats.example:4222',
  KONTOR_KEYS_DIR: '/d/keys',
  KONTOR_INTROSPECTION: 'off',
  KONTOR_ALLOWED_HOSTS: 'kontor.example',
  KONTOR_WORKSPACE: 'loans',
  KONTOR_WEBHOOK_ALLOW_HTTP: 'on',
};
const context = {
  config: { environment, dataDir: '/d', artifactsDir: '/d/artifacts', host: '127.0.0.1', auth: 'open' as const },
  databaseUrl: 'postgresql://role@127.0.0.1/kontor',
  natsUrl: 'nats://app@127.0.0.1:4222',
  keysDir: '/d/app-keys/app',
  port: { gateway: 4000, serving: 4010 },
  servingUrl: 'http://127.0.0.1:4010',
};

const EVERY_APP = {
  PATH: '/bin',
  TZ: 'Europe/Vienna',
  KONTOR_NATS_URL: 'nats://app@127.0.0.1:4222',
  KONTOR_KEYS_DIR: '/d/app-keys/app',
};
const SERVICE = { ...EVERY_APP, KONTOR_PG_URL: 'postgresql://role@127.0.0.1/kontor', KONTOR_HEALTH_PORT: '0' };
const DOOR = {
  ...EVERY_APP,
  KONTOR_ARTIFACTS_DIR: '/d/artifacts',
  KONTOR_HOST: '127.0.0.1',
  KONTOR_AUTH: 'open',
  KONTOR_ALLOWED_HOSTS: 'kontor.example',
};

const { artifactsDir: _, ...config } = context.config;
const BUCKET = { KONTOR_ARTIFACTS_S3_BUCKET: 'models', KONTOR_ARTIFACTS_S3_SECRET_ACCESS_KEY: 'secret' };
const inBucket = {
  ...context,
  config: { ...config, artifactsDir: undefined, environment: { ...environment, ...BUCKET } },
};

describe('the environment of an app holds what it needs and nothing else of the shell', () => {
  it.each(['deployment', 'governance'] as const)('%s: its database and its broker', (app) => {
    expect(appEnvironment(app, context)).toEqual(SERVICE);
  });

  it('registry: also which webhooks it may call', () => {
    expect(appEnvironment('registry', context)).toEqual({ ...SERVICE, KONTOR_WEBHOOK_ALLOW_HTTP: 'on' });
  });

  it('monitoring: also the files and the door that it evaluates through', () => {
    expect(appEnvironment('monitoring', context)).toEqual({
      ...SERVICE,
      KONTOR_ARTIFACTS_DIR: '/d/artifacts',
      KONTOR_SERVING_URL: 'http://127.0.0.1:4010',
    });
  });

  it('gateway: its door', () => {
    expect(appEnvironment('gateway', context)).toEqual({
      ...DOOR,
      KONTOR_PG_URL: 'postgresql://role@127.0.0.1/kontor',
      KONTOR_PORT: '4000',
      KONTOR_INTROSPECTION: 'off',
      KONTOR_WEBHOOK_ALLOW_HTTP: 'on',
    });
  });

  it('serving: its door and its routes, and no way to the database', () => {
    expect(appEnvironment('serving', context)).toEqual({
      ...DOOR,
      KONTOR_SERVING_PORT: '4010',
      KONTOR_DATA_DIR: '/d',
      KONTOR_WORKSPACE: 'loans',
    });
  });

  it('who reads files: the bucket in place of the directory, and nobody else its key', () => {
    for (const app of ['gateway', 'serving', 'monitoring'] as const) {
      const given = appEnvironment(app, inBucket);
      expect(given).toMatchObject(BUCKET);
      expect(given).not.toHaveProperty('KONTOR_ARTIFACTS_DIR');
    }
    for (const app of ['deployment', 'governance'] as const) expect(appEnvironment(app, inBucket)).toEqual(SERVICE);
    expect(appEnvironment('registry', inBucket)).toEqual(appEnvironment('registry', context));
  });
});
