import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureKeyPair, loadPublicKey, LOG_KEY } from '@kontor/service/process';
import { verifierKey } from '@kontor/transparency-log';
import { beforeAll, describe, expect, it } from 'vitest';
import { createExperiment, kontor, kontorVerify, type Platform, repositoryRoot, startPlatform } from '../platform.js';

const ORIGIN = 'kontor.example/log/0';
const WITNESS = join(repositoryRoot(), 'apps/witness/bin/kontor-witness.mjs');

const folder = mkdtempSync(join(tmpdir(), 'kontor-witness-'));
const keysDir = join(folder, 'keys');
const logKeyFile = join(folder, 'log.key');
let witness: { child: ChildProcess; key: string; url: string };
let platform: Platform;

/** A witness as another operator runs it: a process of its own with a folder of its own. */
const startWitness = async (port = '0'): Promise<typeof witness> => {
  const args = [
    WITNESS,
    '--dir',
    join(folder, 'witness'),
    '--name',
    'witness.example/w1',
    '--log',
    logKeyFile,
    '--port',
    port,
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  for await (const chunk of child.stdout) {
    output += String(chunk);
    const [, url, key] = /^listens on (\S+)\nkey: (\S+)\n$/.exec(output) ?? [];
    if (url !== undefined && key !== undefined) return { child, key, url };
  }
  throw new Error(`the witness ended: ${output}`);
};

const settings = () => ({ KONTOR_KEYS_DIR: keysDir, KONTOR_WITNESS: `${witness.key} ${witness.url}` });

const exportOf = ({ dataDir }: Platform, path: string) =>
  kontor(['export', path], { KONTOR_DATA_DIR: dataDir, ...settings() });

const verify = (path: string) => kontorVerify(path, '--key', logKeyFile, '--witness', witness.key);

beforeAll(async () => {
  await ensureKeyPair(keysDir, LOG_KEY);
  writeFileSync(logKeyFile, verifierKey(ORIGIN, await loadPublicKey(keysDir, LOG_KEY)));
  witness = await startWitness();
  return () => {
    witness.child.kill();
    rmSync(folder, { recursive: true });
  };
});
beforeAll(async () => {
  platform = await startPlatform(settings());
  return platform.stop;
});

describe('a log with a witness', () => {
  it('exports a bundle that the witness has co-signed', async () => {
    await createExperiment(platform.gatewayUrl, 'seen');
    const path = join(folder, 'seen.jsonl');
    expect(await exportOf(platform, path)).toMatchObject({ exitCode: 0 });
    const verdict = await verify(path);
    expect(verdict, verdict.output).toMatchObject({ exitCode: 0 });
    expect(verdict.output).toMatch(
      /signed by: {2}kontor\.example\/log\/0 \(key \w{8}\)\n +witness\.example\/w1 \(key \w{8}\), which saw it at 20/,
    );
  });

  it('goes on while the witness is killed, and is co-signed again when it is back', async () => {
    witness.child.kill('SIGKILL');
    await once(witness.child, 'close');
    await createExperiment(platform.gatewayUrl, 'unseen');
    witness = await startWitness(new URL(witness.url).port);
    const path = join(folder, 'again.jsonl');
    expect(await exportOf(platform, path)).toMatchObject({ exitCode: 0 });
    expect(await verify(path)).toMatchObject({ exitCode: 0 });
    expect(readFileSync(path, 'utf8')).toContain('unseen');
  });

  it('finds no witness for a second history under the same name and key', async () => {
    const other = await startPlatform(settings());
    try {
      await createExperiment(other.gatewayUrl, 'another past');
      const { exitCode, output } = await exportOf(other, join(folder, 'other.jsonl'));
      expect(output).toMatch(/not co-signed by witness\.example\/w1/);
      expect(exitCode).toBe(1);
      const logs = ['registry', 'deployment', 'monitoring', 'governance'].map((name) =>
        readFileSync(join(other.dataDir, 'logs', `${name}.log`), 'utf8'),
      );
      expect(logs.join('\n')).toContain('the cosigner stopped');
    } finally {
      await other.stop();
    }
  });
});
