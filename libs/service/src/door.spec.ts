import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineConfig } from './define-config.js';
import { doorVariables, isLoopback, refuseOpenDoor, toDoorConfig } from './door.js';

describe('isLoopback', () => {
  it.each([
    ['localhost', true],
    ['127.0.0.1', true],
    ['127.1.2.3', true],
    ['::1', true],
    ['0.0.0.0', false],
    ['::', false],
    ['127.0.0.1.example.com', false],
    ['10.0.0.1', false],
  ])('says of %s: %s', (host, expected) => {
    expect(isLoopback(host)).toBe(expected);
  });
});

describe('a door', () => {
  const read = defineConfig(
    z
      .object(doorVariables)
      .refine(...refuseOpenDoor)
      .transform(toDoorConfig),
  );

  it.each([
    [{}, 'open'],
    [{ KONTOR_HOST: '::1' }, 'open'],
    [{ KONTOR_AUTH: 'token' }, 'token'],
    [{ KONTOR_HOST: '0.0.0.0' }, 'token'],
  ])('with %j is in mode %s', (environment, auth) => {
    expect(read(environment).auth).toBe(auth);
  });

  it('is known under its address and the names that are allowed', () => {
    expect(read({ KONTOR_HOST: '10.0.0.7', KONTOR_ALLOWED_HOSTS: 'kontor.example, b.example,' }).allowedHosts).toEqual([
      '10.0.0.7',
      'kontor.example',
      'b.example',
    ]);
  });

  it('does not stand open where others can knock', () => {
    expect(() => read({ KONTOR_AUTH: 'open', KONTOR_HOST: '0.0.0.0' })).toThrow(
      'KONTOR_AUTH is "open": lets everybody in, which is allowed only while KONTOR_HOST is a loopback address; set KONTOR_AUTH=token',
    );
    expect(() => read({ KONTOR_AUTH: 'none' })).toThrow('KONTOR_AUTH is "none": must be "open" or "token"');
  });
});
