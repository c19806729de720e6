import { describe, expect, it } from 'vitest';
import { DataDirectoryInUse, isHeld } from './data-directory-lock.js';

describe('a lock', () => {
  const holder = { pid: 4711, startedAt: 'boot-1/100' };

  it('is held by the process that wrote it', () => {
    expect(isHeld(holder, { alive: true, startedAt: 'boot-1/100' })).toBe(true);
  });

  it('is stale when that process is gone', () => {
    expect(isHeld(holder, { alive: false, startedAt: undefined })).toBe(false);
  });

  it('is stale when another program has the process id, started later or after a reboot', () => {
    expect(isHeld(holder, { alive: true, startedAt: 'boot-1/200' })).toBe(false);
    expect(isHeld(holder, { alive: true, startedAt: 'boot-2/100' })).toBe(false);
  });

  it('counts as held when the system does not tell when a process started', () => {
    expect(isHeld({ pid: 4711 }, { alive: true, startedAt: 'boot-1/200' })).toBe(true);
    expect(isHeld(holder, { alive: true, startedAt: undefined })).toBe(true);
  });

  it('refuses with process id, address and what to do', () => {
    expect(new DataDirectoryInUse('.kontor', { ...holder, address: 'http://127.0.0.1:4000' }).message).toBe(
      '.kontor is in use by process 4711, at http://127.0.0.1:4000: stop it, or set KONTOR_DATA_DIR to another',
    );
    expect(new DataDirectoryInUse('.kontor', holder).message).toContain('process 4711, still starting');
  });
});
