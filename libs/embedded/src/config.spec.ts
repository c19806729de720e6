import { expect, it } from 'vitest';
import { embeddedConfig } from './config.js';

it('takes an empty variable for one that is not set', () => {
  expect(
    embeddedConfig({ KONTOR_PG_URL: '', KONTOR_NATS_URL: '', KONTOR_NATS_SERVER: '', XDG_CACHE_HOME: '/c' }),
  ).toEqual({ path: '', cacheDir: '/c/kontor' });
});

it('reads the external servers, the executable and the search path', () => {
  const env = {
    KONTOR_PG_URL: 'p',
    KONTOR_NATS_URL: 'n',
    KONTOR_NATS_SERVER: '/s',
    PATH: '/a:/b',
    XDG_CACHE_HOME: '/c',
  };
  expect(embeddedConfig(env)).toEqual({
    pgUrl: 'p',
    natsUrl: 'n',
    natsServer: '/s',
    path: '/a:/b',
    cacheDir: '/c/kontor',
  });
});
