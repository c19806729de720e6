import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually, pythonWith } from '@kontor/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { kontor, type Platform, run, startPlatform } from '../../platform.js';
import { ANY_WEBHOOK, startReceiver } from '../../receiver.js';
import { startCuttingDoor } from './cutting-door.js';

const environment = pythonWith(readFileSync(join(import.meta.dirname, 'requirements.txt'), 'utf8'));
const inCi = Boolean(process.env['CI']);

if ('missing' in environment) console.warn(`the MLflow client is not tested: ${environment.missing}`);

describe.skipIf('missing' in environment && !inCi)('the unmodified MLflow client', () => {
  let platform: Platform;
  beforeAll(async () => {
    platform = await startPlatform(ANY_WEBHOOK);
    return platform.stop;
  });

  const runClient = (env: NodeJS.ProcessEnv, program: string, ...args: readonly string[]) => {
    if ('missing' in environment) throw new Error(environment.missing);
    return run(environment.python, [join(import.meta.dirname, program), ...args], {
      env: { MLFLOW_TRACKING_URI: platform.gatewayUrl, ...env },
    });
  };

  it('tracks, registers, loads, searches and is refused as by its own server', async () => {
    const { exitCode, output } = await runClient({}, 'client.py', 'open');
    expect(exitCode, output).toBe(0);
    expect(output).toContain('"step": "done"');
  });

  it('works with a token too, and the log says who did it', async () => {
    const { output: token } = await kontor(['token', '--actor', 'ada', '--role', 'data-scientist'], {
      KONTOR_DATA_DIR: platform.dataDir,
    });
    const { exitCode, output } = await runClient({ MLFLOW_TRACKING_TOKEN: token.trim() }, 'client.py', 'token');
    expect(exitCode, output).toBe(0);
    const events = await kontor(['events', '--type', 'AliasSet', '--json'], { KONTOR_DATA_DIR: platform.dataDir });
    const actors = events.output
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { actor: string }).actor);
    expect(actors).toContain('ada');
  });

  it('works in a workspace by its tracking URI alone, or by its header, and sees no other one', async () => {
    const { exitCode, output } = await runClient({}, 'workspaces.py');
    expect(exitCode, output).toBe(0);
    expect(output).toContain('"step": "done"');
  });

  it('does all that it does elsewhere in a workspace that the command line made', async () => {
    const cli = (...args: string[]) => kontor(['workspace', ...args], { KONTOR_DATA_DIR: platform.dataDir });
    const uri = `${platform.gatewayUrl}/workspaces/team-a`;
    expect(await cli('create', 'team-a', '--description', 'the first')).toEqual({
      exitCode: 0,
      output: `team-a is made: export MLFLOW_TRACKING_URI=${uri}\n`,
    });
    expect(await cli('create', 'team-a')).toMatchObject({
      exitCode: 1,
      output: "kontor: Workspace 'team-a' already exists.\n",
    });
    expect((await cli('list')).output).toMatch(/^default\n(?:.*\n)*team-a +the first$/m);
    const { exitCode, output } = await runClient({ MLFLOW_TRACKING_URI: uri }, 'client.py', 'workspace');
    expect(exitCode, output).toBe(0);
    expect((await cli('delete', 'team-a')).output).toContain('still contains');
    expect((await cli('describe', 'team-a', 'of the A team')).exitCode).toBe(0);
    expect((await cli('list', '--json')).output).toContain('{"name":"team-a","description":"of the A team"}\n');
  });

  it('makes webhooks, which are told what it does and nothing that changed nothing', async () => {
    const secret = 'geheim-ü';
    const receiver = await startReceiver(secret);
    try {
      const env = { WEBHOOK_URL: receiver.url, WEBHOOK_SECRET: secret };
      const { exitCode, output } = await runClient(env, 'webhooks.py');
      expect(exitCode, output).toBe(0);
      const messages = await eventually(() => receiver.received.length >= 4 && receiver.received);
      const told = messages.map(({ body }) => JSON.parse(body) as { entity: string; action: string; data: object });
      expect(told.map(({ entity, action, data }) => [`${entity}.${action}`, data])).toEqual([
        ['model_version_alias.created', { name: 'example_model', alias: 'example_alias', version: '1' }],
        ['registered_model.created', { name: 'hooked', tags: {}, description: '' }],
        ['model_version_alias.created', { name: 'hooked', alias: 'champion', version: '1' }],
        ['model_version_alias.deleted', { name: 'hooked', alias: 'champion' }],
      ]);
      expect(receiver.forged).toEqual([]);
    } finally {
      receiver.stop();
    }
  });

  it('logs, lists, fetches and deletes files, also by its command line', async () => {
    const { exitCode, output } = await runClient({}, 'artifacts.py');
    expect(exitCode, output).toBe(0);
    expect(output).toContain('"step": "done"');
  });

  it('traces programs, finds, judges and deletes their traces', async () => {
    const { exitCode, output } = await runClient({}, 'traces.py');
    expect(exitCode, output).toBe(0);
    expect(output).toContain('"step": "done"');
  });

  it('keeps scorers, and datasets of records that are read as they were written', async () => {
    const { exitCode, output } = await runClient({}, 'evaluation.py');
    expect(exitCode, output).toBe(0);
    expect(output).toContain('"step": "done"');
  });

  it('makes one of each when it repeats what had no answer', async () => {
    const door = await startCuttingDoor(platform);
    try {
      const { exitCode, output } = await runClient({ MLFLOW_TRACKING_URI: door.url }, 'retries.py');
      expect(exitCode, output).toBe(0);
      const made = ['ExperimentCreated', 'RunStarted', 'LoggedModelCreated', 'RegisteredModelCreated'];
      for (const type of [...made, 'ModelVersionRegistered', 'RunDataLogged']) {
        const { output: events } = await kontor(['events', '--type', type, '--json'], {
          KONTOR_DATA_DIR: platform.dataDir,
        });
        const ofCut = events.split('\n').filter((line) => line.includes('cut-off'));
        expect(ofCut, type).toHaveLength(1);
      }
      expect(door.cuts()).toBe(made.length + 2);
    } finally {
      await door.stop();
    }
  });

  it('leaves read models that equal the log', async () => {
    const { exitCode, output } = await kontor(['replay', '--verify'], { KONTOR_DATA_DIR: platform.dataDir });
    expect(exitCode, output).toBe(0);
  });
});
