// Wrong arguments and files for kontor-verify: each is told in a line, with exit code 2, and never as a verdict about the log.
import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { logSigner, witnessSigner } from '@kontor/transparency-log';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { repositoryRoot } from '../platform.js';

const VERIFY = join(repositoryRoot(), 'apps/verifier/bin/kontor-verify.mjs');
const { privateKey } = generateKeyPairSync('ed25519');
const logKey = logSigner('kontor.example/log/0', privateKey).verifierKey;
const witnessKey = witnessSigner('witness.example/w1', privateKey, 0).verifierKey;

const folder = mkdtempSync(join(tmpdir(), 'kontor-verify-'));
beforeAll(() => {
  writeFileSync(join(folder, 'empty'), '');
  writeFileSync(join(folder, 'binary'), Buffer.alloc(9 * 1024 * 1024, 7));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

it.each([
  ['one bundle is needed', '--key', logKey],
  ['one bundle is needed', 'empty', 'binary', '--key', logKey],
  ['--key is needed', 'empty'],
  ['nowhere cannot be read: it does not exist', 'nowhere', '--key', logKey],
  ['. cannot be read: it is no file', '.', '--key', logKey],
  ['binary is no bundle: a line at byte 0 is longer', 'binary', '--key', logKey],
  ['nowhere cannot be read: it does not exist', 'empty', '--key', 'nowhere'],
  ['. cannot be read: it is a directory', 'empty', '--key', '.'],
  ['--key: "a+b" is no key', 'empty', '--key', 'a+b'],
  ['is the key of a witness, not of a log', 'empty', '--key', witnessKey],
  ['is the key of a log, not of a witness', 'empty', '--key', logKey, '--witness', logKey],
  ['--since: empty is no checkpoint', 'empty', '--key', logKey, '--since', 'empty'],
  ['empty cannot be read: it is no directory', 'empty', '--key', logKey, '--anchors', 'empty'],
  ['. holds no file that ends with .checkpoint', 'empty', '--key', logKey, '--anchors', '.'],
  ['nowhere cannot be read: it does not exist', 'empty', '--key', logKey, '--before', 'nowhere'],
])('%s', (says, ...args) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [VERIFY, ...args], { cwd: folder, encoding: 'utf8' });
  expect(status, stderr).toBe(2);
  expect(stderr.split('\n')[0]).toContain(says);
  expect(stdout).toBe('');
});
