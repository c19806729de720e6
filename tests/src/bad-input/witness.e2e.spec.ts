// Wrong settings for kontor-witness: each is told in a line that names it, what is wrong and what is allowed.
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { logSigner } from '@kontor/transparency-log';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { repositoryRoot } from '../platform.js';

const WITNESS = join(repositoryRoot(), 'apps/witness/dist/main.js');
const logKey = logSigner('kontor.example/log/0', generateKeyPairSync('ed25519').privateKey).verifierKey;

const folder = mkdtempSync(join(tmpdir(), 'kontor-witness-'));
beforeAll(() => {
  writeFileSync(join(folder, 'file'), '');
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const KEYS = 'allowed is what "kontor checkpoint --key" prints, or a file that holds it';
const FOLDER = 'allowed is a folder that this user may read and write, or a new one';
const ADDRESS = 'allowed is an address of this machine and a port that is free';

it.each([
  [`--log: "nowhere" cannot be used (it does not exist): ${KEYS}`, '--dir', 'w', '--log', 'nowhere'],
  [`--log: "." cannot be used (it is a directory): ${KEYS}`, '--dir', 'w', '--log', '.'],
  [`--dir: "file" cannot be used (it is not a folder): ${FOLDER}`, '--dir', 'file', '--log', logKey],
  [`--dir: "file/w" cannot be used (a part of it is not a folder): ${FOLDER}`, '--dir', 'file/w', '--log', logKey],
  [
    `--host and --port: "192.0.2.1 0" cannot be used (it is no address of this machine): ${ADDRESS}`,
    ...['--dir', 'w', '--log', logKey, '--host', '192.0.2.1', '--port', '0'],
  ],
])('%s', (says, ...args) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [WITNESS, '--name', 'witness.example/w1', ...args], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect(status, stderr).toBe(1);
  expect(stderr).toBe(`kontor-witness: ${says}\n`);
  expect(stdout).toBe('');
});
