// The unmodified clients beside the newest Python one: MLflow 2, the command lines of both, and Java.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pythonWith } from '@kontor/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Platform, repositoryRoot, run, startPlatform } from '../../platform.js';

const inCi = Boolean(process.env['CI']);
const here = (...path: readonly string[]): string => join(import.meta.dirname, ...path);
const python3 = pythonWith(readFileSync(here('requirements.txt'), 'utf8'));
const python2 = pythonWith(readFileSync(here('requirements-2.txt'), 'utf8'));

/** Nothing else here needs Java, so a machine without it is tested without it, in CI too. */
const hasJava = ['java', 'javac', 'mvn'].every((program) => spawnSync(program, ['-version']).error === undefined);

/** What Maven fetches for the Java client, once per text of its POM. @returns a class path, or why there is none. */
const classPath = (pom: string): { readonly classPath: string } | { readonly missing: string } => {
  if (!hasJava) return { missing: 'java, javac or mvn is not on PATH' };
  const digest = createHash('sha256').update(readFileSync(pom)).digest('hex').slice(0, 12);
  const file = join(repositoryRoot(), 'tests', '.venv', `java-${digest}.classpath`);
  if (!existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true });
    const draft = `${file}.${process.pid}`;
    const args = ['-q', '-B', '-f', pom, 'dependency:build-classpath', `-Dmdep.outputFile=${draft}`];
    const { status, stdout } = spawnSync('mvn', args, { encoding: 'utf8' });
    if (status !== 0) return { missing: `mvn failed: ${/ERROR.*/.exec(stdout)?.[0] ?? ''}` };
    renameSync(draft, file);
  }
  return { classPath: readFileSync(file, 'utf8') };
};

const java = classPath(here('java', 'pom.xml'));
for (const [name, environment] of Object.entries({ python2, python3, java }))
  if ('missing' in environment) console.warn(`clients of ${name} are not tested: ${environment.missing}`);

describe('unmodified clients', () => {
  let platform: Platform;
  beforeAll(async () => {
    platform = await startPlatform();
    return platform.stop;
  });

  const done = async (command: string, args: readonly string[]): Promise<void> => {
    const { exitCode, output } = await run(command, args, { env: { MLFLOW_TRACKING_URI: platform.gatewayUrl } });
    expect(exitCode, output).toBe(0);
    expect(output).toContain('"step": "done"');
  };
  const withPython = (environment: typeof python2, ...args: readonly string[]) => {
    if ('missing' in environment) throw new Error(environment.missing);
    return done(environment.python, args);
  };

  it.skipIf('missing' in python2 && !inCi)('MLflow 2: runs, autologging, files, stages', () =>
    withPython(python2, here('mlflow2.py')),
  );

  it.skipIf('missing' in python2 && !inCi)('the command line of MLflow 2', () =>
    withPython(python2, here('command_line.py'), '2'),
  );

  it.skipIf('missing' in python3 && !inCi)('the command line of MLflow 3', () =>
    withPython(python3, here('command_line.py'), '3'),
  );

  it.skipIf('missing' in java && !(inCi && hasJava))('Java: runs, batches, pages, registry', () => {
    if ('missing' in java) throw new Error(java.missing);
    return done('java', ['-cp', java.classPath, here('java', 'Client.java')]);
  });
});
