import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ConfigError, defineConfig, serviceVariables } from './define-config.js';
import { readServiceConfig } from './service-config.js';

const good = {
  KONTOR_PG_URL: 'postgres://kontor_registry:secret@127.0.0.1:5432/kontor',
  KONTOR_NATS_URL: 'nats://kontor:secret@127.0.0.1:4222',
};
const read = defineConfig(z.object({ ...serviceVariables, KONTOR_API_TOKEN: z.string().min(20).optional() }));

const messageFor = (environment: Record<string, string>): string => {
  try {
    read({ ...good, ...environment });
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return '';
};

describe('defineConfig', () => {
  it('takes defaults for what is not set, and an empty variable is not set', () => {
    expect(read({ ...good, KONTOR_HEALTH_PORT: '', UNRELATED: 'x' })).toEqual({
      ...good,
      KONTOR_DATA_DIR: '.kontor',
      KONTOR_HEALTH_PORT: 0,
    });
  });

  it('names the variable that is missing and shows what is allowed', () => {
    expect(messageFor({ KONTOR_PG_URL: '' })).toBe(
      'KONTOR_PG_URL is not set: must be an address such as postgres://kontor_registry:…@127.0.0.1:5432/kontor',
    );
  });

  it.each(['abc', '-1', '65536', '1.5'])('names the port %s and the range that is allowed', (value) => {
    expect(messageFor({ KONTOR_HEALTH_PORT: value })).toBe(
      `KONTOR_HEALTH_PORT is "${value}": must be a port from 0 to 65535`,
    );
  });

  it('writes one line per wrong variable', () => {
    const message = messageFor({ KONTOR_PG_URL: 'mysql://h/db', KONTOR_NATS_URL: 'no', KONTOR_HEALTH_PORT: 'x' });
    expect(message.split('\n').map((line) => line.split(' ')[0])).toEqual([
      'KONTOR_PG_URL',
      'KONTOR_NATS_URL',
      'KONTOR_HEALTH_PORT',
    ]);
  });

  it.each([
    'mysql://me:hunter2@host/db',
    'mysql://me:hun/ter2@host/db',
    'mysql://me:hun@ter2@host/db',
    'me:hunter2@host',
    'mysql://host/db?user=me&password=hunter2',
  ])('shows no password of %s', (url) => {
    const message = messageFor({ KONTOR_PG_URL: url });
    expect(message).toMatch(/^KONTOR_PG_URL is ".*\*\*\*.*": must be an address/);
    expect(message).toContain('host');
    expect(message).not.toMatch(/hun|ter2/);
  });

  it('shows nothing of a token', () => {
    expect(messageFor({ KONTOR_API_TOKEN: 'hunter2' })).toMatch(/^KONTOR_API_TOKEN is "\*\*\*": /);
  });
});

describe('readServiceConfig', () => {
  it('puts keys into the data directory unless they have a place of their own', () => {
    const of = (environment: Record<string, string>) => readServiceConfig({ ...good, ...environment });
    expect(of({ KONTOR_DATA_DIR: '/data' })).toMatchObject({ keysDir: '/data/keys', pgUrl: good.KONTOR_PG_URL });
    expect(of({ KONTOR_DATA_DIR: '/data', KONTOR_KEYS_DIR: '/keys' })).toMatchObject({ keysDir: '/keys' });
  });
});
