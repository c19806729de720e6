// The tutorial for whoever comes from MLflow, block by block as it stands there: what a reader types, and what he is shown.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { pythonWith } from '@kontor/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type MlflowServer, startMlflowServer } from '../conformance/mlflow/mlflow-server.js';
import { type Platform, repositoryRoot, shell, startPlatform } from '../platform.js';

const root = repositoryRoot();
const page = readFileSync(join(root, 'docs/tutorials/from-mlflow.md'), 'utf8');
const environment = pythonWith(readFileSync(join(root, 'tests/src/conformance/mlflow/requirements.txt'), 'utf8'));
const inCi = Boolean(process.env['CI']);
if ('missing' in environment) console.warn(`docs/tutorials/from-mlflow.md is not run: ${environment.missing}`);

/** What the page shows, in its order; what stands right below commands is what they print. */
const blocks = [...page.matchAll(/```(\w+)\n([\s\S]*?)```/g)].map(([, language = '', body = '']) => ({
  language,
  body,
}));
/** Between the blocks of the one script that they are. */
const NEXT = '~~~ next block ~~~';

/** A line of the page, in which `…` stands for what differs each time, and spaces for more of them. */
const shown = (line: string): RegExp =>
  new RegExp(
    line
      .trim()
      .split('…')
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/\s+/g, '\\s+'))
      .join('.*?'),
  );

describe.skipIf('missing' in environment && !inCi)('the tutorial for whoever comes from MLflow', () => {
  const python = 'missing' in environment ? 'python3' : environment.python;
  const folder = mkdtempSync(join(tmpdir(), 'kontor-tutorial-'));
  let starting: readonly [Promise<Platform>, Promise<MlflowServer>] | undefined;
  let platform: Platform;
  let server: MlflowServer;

  beforeAll(async () => {
    starting = [startPlatform(), startMlflowServer(python, folder)];
    [platform, server] = await Promise.all(starting);
  });
  afterAll(async () => {
    // Also one that comes up when the other did not.
    const started = await Promise.allSettled(starting ?? []);
    await Promise.all(started.map((one) => one.status === 'fulfilled' && one.value.stop()));
    rmSync(folder, { recursive: true, force: true });
  });

  it('does what it says', async () => {
    const real = (text: string): string =>
      text.replaceAll('http://127.0.0.1:5000', server.uri).replaceAll('http://127.0.0.1:4000', platform.gatewayUrl);
    for (const { body } of blocks.filter(({ language }) => language === 'python')) {
      const [, name = ''] = /^# (\w+\.py)\n/.exec(body) ?? [];
      writeFileSync(join(folder, name), body);
    }
    const typed = blocks.flatMap(({ language, body }, index) => {
      const below = blocks[index + 1];
      return language === 'sh' ? [{ body, prints: below?.language === 'text' ? below.body : '' }] : [];
    });
    // The platform of this test is what it starts.
    const commands = typed.filter(({ body }) => body !== 'npm start\n');
    expect(commands).toHaveLength(typed.length - 1);
    const { exitCode, output } = await shell(real(commands.map(({ body }) => body).join(`echo '${NEXT}'\n`)), {
      cwd: folder,
      env: { KONTOR_DATA_DIR: platform.dataDir, PATH: `${dirname(python)}${delimiter}${process.env['PATH'] ?? ''}` },
    });
    expect(exitCode, output).toBe(0);
    const printed = output.split(NEXT);
    for (const [index, { body, prints }] of commands.entries()) {
      for (const line of real(prints).split('\n')) expect(printed[index], `below ${body}`).toMatch(shown(line));
    }
  });
});
