import { erasureGround } from '@kontor/domain/governance';
import { DEFAULT_WORKSPACE, LOCAL_ACTOR_ID } from '@kontor/service/process';
import { Command, Option, type OutputConfiguration } from 'commander';
import { archive } from './commands/archive.js';
import { demo } from './commands/demo.js';
import { down } from './commands/down.js';
import { erase, writeReceipt } from './commands/erase.js';
import { events } from './commands/events.js';
import { checkpoint, exportBundle } from './commands/export.js';
import { asGovernance } from './commands/govern.js';
import { addHold, listHolds, removeHold } from './commands/hold.js';
import { ownerUrl, readerUrl, withLog } from './commands/log-database.js';
import { newEpoch } from './commands/new-epoch.js';
import { rebuild, replay } from './commands/replay.js';
import { beginRotation, finishRotation } from './commands/rotate-key.js';
import { status } from './commands/status.js';
import {
  addSubscriberVerb,
  type From,
  listSubscribersVerb,
  removeSubscriberVerb,
  type SubscriberScope,
} from './commands/subscriber.js';
import { up } from './commands/up.js';
import { readConfig } from './config.js';
import {
  collect,
  collectPlace,
  collectContext,
  collectRole,
  collectStream,
  collectType,
  parseActor,
  parseDays,
  parsePartition,
  parsePositionArgument,
  parseRange,
  parseTime,
  parseFrom,
  parseSubscriber,
  parseTtlMs,
  parseWorkspace,
} from './parse-arguments.js';
import { tellStory } from './demo/story.js';
import { publicKeys } from './log-keys.js';
import { print } from './print.js';
import { signPersonToken } from './sign-token.js';
import { readRunFile, type RunFile } from './supervisor/run-file.js';
import { CommandFailed, UsageError } from './usage-error.js';

const EIGHT_HOURS_MS = 8 * 3_600_000;

/** 13 months: longer than a year's reviews reach back. */
const HOT_WINDOW_DAYS = 396;

/** The tokens that a command signs for itself live for one request. */
const OWN_TTL_MS = 60_000;

/** Whoever holds the keys of the installation may erase; who it was is named. */
const ERASING_ROLE = 'data-protection-officer';
const ERASURE_REASONS = erasureGround.options.map((ground) => ground.toLowerCase().replaceAll('_', '-'));
interface ExportOptions {
  readonly model?: string;
  readonly endpoint?: string;
  readonly useCase?: string;
  readonly stream?: readonly string[];
  readonly positions?: readonly [number, number];
  /** False for --no-events. */
  readonly events: boolean;
  readonly since?: readonly string[];
  readonly workspace: string;
}

const FLAGS = {
  model: '--model',
  endpoint: '--endpoint',
  useCase: '--use-case',
  stream: '--stream',
  positions: '--positions',
  events: '--no-events',
} as const;

/** @throws CommandFailed if nothing runs on the data directory, or it is still starting */
const running = async (dataDir: string): Promise<RunFile> => {
  const run = await readRunFile(dataDir);
  if (!run) throw new CommandFailed(`nothing is up on ${dataDir}: start it with "npm start" or "kontor up"`);
  return run;
};

/**
 * The command line. `parse` runs one command and answers its exit code.
 * @param output where help and refusals are written; default: the standard streams
 * @throws CommanderError for wrong arguments, when the person has been told
 */
export const program = (output: OutputConfiguration = {}): { parse(argv: readonly string[]): Promise<number> } => {
  let exitCode = 0;
  const kontor = new Command('kontor')
    .description('The system of record for machine-learning models')
    .configureOutput(output)
    .exitOverride()
    .showHelpAfterError('(kontor --help lists the commands)');

  kontor
    .command('up')
    .description('run the platform here until Ctrl-C')
    .action(() => up(readConfig()));

  kontor
    .command('demo')
    .description('take a real model through its whole life, narrated; starts the platform if none runs here')
    .option('--exit', 'stop the platform that was started for it when the story is over', false)
    .action((options: { exit: boolean }) =>
      demo(readConfig(), ({ config, addresses }) => tellStory(config, addresses, print), options),
    );

  kontor
    .command('down')
    .description('stop the platform that runs on KONTOR_DATA_DIR')
    .action(() => down(readConfig().dataDir));

  kontor
    .command('status')
    .description('what runs on KONTOR_DATA_DIR; exit code 0 only if all of it is up')
    .option('--json', 'as JSON', false)
    .action(async (options: { json: boolean }) => {
      exitCode = await status(readConfig(), options);
    });

  kontor
    .command('token')
    .description('print a signed token of a person')
    .requiredOption('--actor <name>', 'who it speaks for', parseActor)
    .requiredOption('--role <role>', 'what they may do; repeat for each', collectRole)
    .option('--workspace <name>', 'where', parseWorkspace, DEFAULT_WORKSPACE)
    .addOption(
      new Option('--ttl <duration>', 'how long: 30m, 8h, 7d').argParser(parseTtlMs).default(EIGHT_HOURS_MS, '8h'),
    )
    .action(async (options: { actor: string; role: readonly string[]; workspace: string; ttl: number }) => {
      const { actor, role: roles, workspace, ttl: ttlMs } = options;
      print(await signPersonToken(readConfig().keysDir, { actor, roles, workspace, ttlMs }, Date.now()));
    });

  kontor
    .command('events')
    .description('print the log from a position')
    .option('--after <position>', 'begin behind this position', parsePositionArgument, '0')
    .option('--type <event>', 'only these; repeat for each', collectType)
    .option('--follow', 'go on with new events until Ctrl-C', false)
    .option('--workspace <name>', 'whose', parseWorkspace, DEFAULT_WORKSPACE)
    .option('--json', 'one JSON object per line, with the data', false)
    .action(
      async (options: {
        after: string;
        type?: readonly string[];
        follow: boolean;
        workspace: string;
        json: boolean;
      }) => {
        const config = readConfig();
        const { addresses } = await running(config.dataDir);
        const { after, type: types, follow, json, workspace } = options;
        const token = () =>
          signPersonToken(
            config.keysDir,
            { actor: LOCAL_ACTOR_ID, roles: ['auditor'], workspace, ttlMs: OWN_TTL_MS },
            Date.now(),
          );
        await events(`${addresses.gateway}/graphql`, token, { after, types, follow, json });
      },
    );

  kontor
    .command('replay')
    .description('fold the log into every read model again and compare; exit code 0 only if all are identical')
    .requiredOption('--verify', 'compare, and change nothing')
    .action(async () => {
      const config = readConfig();
      exitCode = await replay(config, await running(config.dataDir));
    });

  kontor
    .command('rebuild')
    .description('make one read model anew from the log while the old rows serve, compare, and swap')
    .argument('<projection>', 'its name; a wrong one is answered with the list')
    .addHelpText('after', '\nExit code 1: it failed, or the rows that it replaced were not what the log gives.')
    .action(async (name: string) => {
      const config = readConfig();
      exitCode = await rebuild(name, config, await running(config.dataDir));
    });

  kontor
    .command('checkpoint')
    .description('print the newest signed checkpoint of the log, for an auditor to keep')
    .option('--key', "print the log's public keys instead, each with the sizes for which it counts", false)
    .action(async (options: { key: boolean }) => {
      const config = readConfig();
      if (options.key) process.stdout.write(await publicKeys(config.keysDir, config.logOrigin));
      else
        await withLog(await readerUrl(config, await running(config.dataDir)), (pool) =>
          checkpoint(pool, config.witness?.verifier),
        );
    });

  kontor
    .command('rotate-key')
    .description('make the key that will sign the log next; the platform signs with both from its next start on')
    .option('--finish', 'retire the key before: it counts up to the newest checkpoint', false)
    .action(async (options: { finish: boolean }) => {
      const config = readConfig();
      if (!options.finish) await beginRotation(config.keysDir, config.logOrigin);
      else
        await withLog(await readerUrl(config, await running(config.dataDir)), (pool) =>
          finishRotation(pool, config.keysDir, config.logOrigin),
        );
    });

  kontor
    .command('new-epoch')
    .description(
      'let a log that was restored from an old backup go on, under another origin; the platform must be down',
    )
    .action(() => newEpoch(readConfig()));

  const chosen = ['model', 'endpoint', 'useCase', 'stream', 'positions', 'events'] as const;
  kontor
    .command('export')
    .description('write the log, or a part of it, into a bundle that kontor-verify checks anywhere, without network')
    .argument('<file>', 'must not exist yet')
    .option(
      '--model <name>',
      'all that belongs to a registered model: versions, runs, approvals, gates, endpoints, alerts',
    )
    .option('--endpoint <name>', 'all that belongs to an endpoint: rollouts, the versions it served, alerts, incidents')
    .option('--use-case <id>', 'all that belongs to a use case and its endpoints')
    .option('--stream <id>', 'only this stream; repeat for each', collectStream)
    .option('--positions <range>', 'only these, such as 100..200', parseRange)
    .option('--no-events', 'only the checkpoint')
    .option(
      '--since <checkpoint>',
      'a file with a checkpoint: show that the log begins with it; repeat for each',
      collect,
    )
    .option('--workspace <name>', 'of the model, endpoint or use case', parseWorkspace, DEFAULT_WORKSPACE)
    .action(async (path: string, options: ExportOptions) => {
      const given = chosen.filter((name) => (name === 'events' ? !options.events : options[name] !== undefined));
      if (given.length > 1) throw new UsageError(`choose one of ${given.map((name) => FLAGS[name]).join(' and ')}`);
      const dossierOf = (
        [
          ['model', options.model],
          ['endpoint', options.endpoint],
          ['use-case', options.useCase],
        ] as const
      ).find(([, name]) => name !== undefined);
      const config = readConfig();
      await withLog(await readerUrl(config, await running(config.dataDir)), (pool) =>
        exportBundle(pool, {
          path,
          selection: {
            streams: options.stream ?? [],
            dossier: dossierOf && { of: dossierOf[0], name: dossierOf[1] ?? '', workspace: options.workspace },
            range: options.positions,
            isWithoutEvents: !options.events,
            since: options.since ?? [],
          },
          keysDir: config.keysDir,
          witness: config.witness?.verifier,
        }),
      );
    });

  kontor
    .command('archive')
    .description('write an old partition of the log to files, read it back, and take it out of the database')
    .argument('[partition]', 'its number; 0 is the oldest', parsePartition)
    .option('--before <time>', 'instead: all whose newest event is older', parseTime)
    .option('--to <directory>', 'where to; repeat for a second place', collectPlace, [])
    .option('--hot-window <days>', 'how old its newest event must be', parseDays, HOT_WINDOW_DAYS)
    .option('--drop', 'remove the rows of one that is archived', false)
    .option('--actor <name>', 'who does it', parseActor)
    .action(
      async (
        partition: number | undefined,
        {
          hotWindow,
          ...options
        }: { before?: string; to: readonly string[]; hotWindow: number; drop: boolean; actor?: string },
      ) => {
        const config = readConfig();
        const run = await running(config.dataDir);
        const governance = await asGovernance(config, run);
        await withLog(await ownerUrl(config, run), (pool) =>
          archive(pool, governance, { partition, hotWindowDays: hotWindow, ...options }),
        );
      },
    );

  kontor
    .command('erase')
    .description("destroy the keys of a person's data, for ever, and write a receipt that kontor-verify checks")
    .argument('<person>', 'the actor id of the person', parseActor)
    .addOption(new Option('--reason <ground>', 'GDPR, Article 17(1)').choices(ERASURE_REASONS).makeOptionMandatory())
    .requiredOption('--actor <name>', 'who erases; stands in the log', parseActor)
    .requiredOption('--receipt <file>', 'must not exist yet')
    .option('--workspace <name>', 'where', parseWorkspace, DEFAULT_WORKSPACE)
    .action(
      async (subjectId: string, options: { reason: string; actor: string; receipt: string; workspace: string }) => {
        const config = readConfig();
        const run = await running(config.dataDir);
        const { actor, workspace, receipt } = options;
        const person = { actor, roles: [ERASING_ROLE], workspace, ttlMs: OWN_TTL_MS };
        await erase({
          url: `${run.addresses.gateway}/graphql`,
          token: await signPersonToken(config.keysDir, person, Date.now()),
          workspace,
          subjectId,
          ground: options.reason.toUpperCase().replaceAll('-', '_'),
        });
        await withLog(await readerUrl(config, run), (pool) =>
          writeReceipt(
            pool,
            { workspace, subjectId },
            { path: receipt, keysDir: config.keysDir, witness: config.witness?.verifier },
          ),
        );
      },
    );

  const hold = kontor.command('hold').description('legal holds: nothing of a workspace is removed while it has one');
  hold
    .command('add')
    .description('place one, and print its id')
    .requiredOption('--workspace <name>', 'whose', parseWorkspace)
    .requiredOption('--reason <text>', 'why')
    .option('--actor <name>', 'who does it', parseActor)
    .action(async (options: { workspace: string; reason: string; actor?: string }) => {
      const config = readConfig();
      print(await addHold(await asGovernance(config, await running(config.dataDir)), options));
    });
  hold
    .command('list')
    .description('print those that are placed')
    .option('--workspace <name>', 'only of this one', parseWorkspace)
    .option('--json', 'one JSON object per line', false)
    .action(async (options: { workspace?: string; json: boolean }) => {
      const config = readConfig();
      await withLog(await readerUrl(config, await running(config.dataDir)), (pool) => listHolds(pool, options));
    });
  hold
    .command('remove')
    .description('release one')
    .argument('<id>', 'as "kontor hold list" prints it')
    .requiredOption('--workspace <name>', 'whose', parseWorkspace)
    .requiredOption('--reason <text>', 'why')
    .option('--actor <name>', 'who does it', parseActor)
    .action(async (id: string, options: { workspace: string; reason: string; actor?: string }) => {
      const config = readConfig();
      await removeHold(await asGovernance(config, await running(config.dataDir)), id, options);
    });
  const subscriber = kontor.command('subscriber').description('who reads the events from outside, through NATS');
  const inScope = async (body: (scope: SubscriberScope) => Promise<void>): Promise<void> => {
    const config = readConfig();
    const run = await running(config.dataDir);
    await withLog(await readerUrl(config, run), (pool) => body({ config, run, pool }));
  };

  subscriber
    .command('add')
    .description('make a consumer and a user that may read it and nothing else; print what the subscriber needs')
    .argument('<name>', 'of the subscriber', parseSubscriber)
    .option('--workspace <name>', 'only events of this one', parseWorkspace)
    .option('--context <name>', 'only events of this one; repeat for each', collectContext)
    .option('--type <event>', 'only these; repeat for each', collectType)
    .addOption(
      new Option('--from <where>', 'the first event: beginning, now, a position, a time')
        .argParser(parseFrom)
        .default('beginning'),
    )
    .option('--json', 'as JSON', false)
    .action(
      (
        name: string,
        options: {
          workspace?: string;
          context?: readonly string[];
          type?: readonly string[];
          from: From;
          json: boolean;
        },
      ) => {
        const { context: contexts, type: types, ...rest } = options;
        return inScope((scope) => addSubscriberVerb(scope, name, { ...rest, contexts, types }));
      },
    );

  subscriber
    .command('list')
    .description('how far each subscriber is behind')
    .option('--json', 'as JSON', false)
    .action((options: { json: boolean }) => inScope((scope) => listSubscribersVerb(scope, options)));

  subscriber
    .command('remove')
    .description('end a subscriber: its consumer, its user and its connection')
    .argument('<name>', 'of the subscriber', parseSubscriber)
    .action((name: string) => inScope((scope) => removeSubscriberVerb(scope, name)));

  return {
    parse: async (argv) => {
      await kontor.parseAsync(argv);
      return exitCode;
    },
  };
};
