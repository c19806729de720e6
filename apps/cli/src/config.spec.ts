import { describe, expect, it } from 'vitest';
import { readConfig } from './config.js';
import { UsageError } from './usage-error.js';

describe('the settings', () => {
  it('have defaults for an empty environment, and take an empty variable for one that is not set', () => {
    const config = readConfig({ KONTOR_PORT: '', KONTOR_AUTH: '' });
    expect(config).toMatchObject({ host: '127.0.0.1', auth: 'open', gateway: { port: 4000, isExplicit: false } });
    expect(config.dataDir).toBe(`${process.cwd()}/.kontor`);
    expect(config.keysDir).toBe(`${process.cwd()}/.kontor/keys`);
  });

  it('keep keys and artifacts below the data directory unless told otherwise', () => {
    expect(readConfig({ KONTOR_DATA_DIR: '/d' })).toMatchObject({ keysDir: '/d/keys', artifactsDir: '/d/artifacts' });
    expect(readConfig({ KONTOR_DATA_DIR: '/d', KONTOR_KEYS_DIR: '/k' })).toMatchObject({ keysDir: '/k' });
    expect(readConfig({ KONTOR_ARTIFACTS_DIR: '/a' })).toMatchObject({ artifactsDir: '/a' });
    expect(readConfig({ KONTOR_ARTIFACTS_S3_BUCKET: 'models' })).toMatchObject({ artifactsDir: undefined });
  });

  it.each([
    ['KONTOR_PORT', '80', 'a port from 1024 to 65535'],
    ['KONTOR_PORT', '65536', 'a port from 1024 to 65535'],
    ['KONTOR_PORT', '4000a', 'a port from 1024 to 65535'],
    ['KONTOR_PORT', '-1', 'a port from 1024 to 65535'],
    ['KONTOR_PORT', ' 4000', 'a port from 1024 to 65535'],
    ['KONTOR_SERVING_PORT', '0x1000', 'a port from 1024 to 65535'],
    ['KONTOR_SERVING_PORT', '4e3', 'a port from 1024 to 65535'],
    ['KONTOR_AUTH', 'none', '"open" or "token"'],
    ['KONTOR_AUTH', 'Open', '"open" or "token"'],
    ['KONTOR_HOST', 'http://127.0.0.1', 'an IP address or host name to listen on'],
    ['KONTOR_HOST', '127.0.0.1 ', 'an IP address or host name to listen on'],
    ['KONTOR_LOG_ORIGIN', 'my log', 'a name of letters, digits and . / - without blanks, such as kontor.example/log/0'],
    ['KONTOR_LOG_ORIGIN', 'a\nb', 'a name of letters, digits and . / - without blanks, such as kontor.example/log/0'],
  ])('refuse %s=%j and say what is allowed', (name, value, allowed) => {
    const read = () => readConfig({ [name]: value });
    expect(read).toThrow(UsageError);
    expect(read).toThrow(`${name}: "${value}" is not allowed; allowed is ${allowed}`);
  });

  it('name all that is wrong at once', () => {
    expect(() => readConfig({ KONTOR_PORT: 'x', KONTOR_AUTH: 'y' })).toThrow(/KONTOR_PORT: .*\nKONTOR_AUTH: /);
  });

  it('refuse open access on an address that other machines reach', () => {
    const host = { KONTOR_HOST: '0.0.0.0' };
    expect(() => readConfig({ ...host, KONTOR_AUTH: 'open' })).toThrow(
      /KONTOR_AUTH: "open" is not allowed with KONTOR_HOST/,
    );
    expect(readConfig({ ...host, KONTOR_AUTH: 'token' }).auth).toBe('token');
    expect(readConfig(host).auth).toBe('token');
  });
});
