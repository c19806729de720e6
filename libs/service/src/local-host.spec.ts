import { describe, expect, it } from 'vitest';
import { refuseForeign } from './local-host.js';

describe('refuseForeign', () => {
  it.each([
    ['localhost', undefined],
    ['localhost:4000', 'http://localhost:4000'],
    ['LOCALHOST:4000', undefined],
    ['127.0.0.1:4000', 'http://127.0.0.1:4000'],
    ['[::1]', undefined],
    ['[::1]:4000', 'http://[::1]:4000'],
    ['[::1]:4000', 'http://localhost:5173'],
    ['kontor.example', 'https://kontor.example'],
    ['Kontor.Example:443', undefined],
    ['10.0.0.7:4000', 'http://10.0.0.7:4000'],
    ['[::ffff:127.0.0.1]', undefined],
  ])('lets Host %s with Origin %s in', (host, origin) => {
    expect(refuseForeign({ host, ...(origin !== undefined && { origin }) }, ['kontor.example'])).toBeUndefined();
  });

  it.each<[string | undefined, string]>([
    [undefined, 'no Host'],
    ['', 'an empty one'],
    ['evil.example:4000', 'a name that was made to resolve to 127.0.0.1'],
    ['localhost.evil.example', 'a name that begins like ours'],
    ['127.0.0.1.nip.io:4000', 'a name that holds our address'],
    ['evil-localhost', 'a name that ends like ours'],
    ['user@localhost', 'a name with a user'],
    ['[::1].evil.example', 'an address with more behind it'],
    ['0.0.0.0:4000', 'the address that means any'],
    ['[::]:4000', 'the address that means any'],
  ])('refuses Host %s: %s', (host) => {
    expect(refuseForeign({ ...(host !== undefined && { host }) }, ['kontor.example'])).toMatch(/^Host: /);
  });

  it.each([
    'http://evil.example',
    'http://localhost.evil.example',
    'null',
    'file://',
    'http://[::2]',
    'http://10.0.0.7',
    'not a url',
    '',
  ])('refuses Origin %s', (origin) => {
    expect(refuseForeign({ host: 'localhost:4000', origin }, [])).toMatch(/^Origin: /);
  });

  it('knows other names only if they are allowed', () => {
    expect(refuseForeign({ host: 'kontor.example' }, [])).toContain('KONTOR_ALLOWED_HOSTS');
  });
});
