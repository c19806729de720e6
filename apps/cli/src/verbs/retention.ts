import { erasureGround } from '@kontor/domain/governance';
import { DEFAULT_WORKSPACE } from '@kontor/service/process';
import { type Command, Option } from 'commander';
import { archive } from '../commands/archive.js';
import { erase, writeReceipt } from '../commands/erase.js';
import { asGovernance } from '../commands/govern.js';
import { addHold, listHolds, removeHold } from '../commands/hold.js';
import { ownerUrl, readerUrl, withLog } from '../commands/log-database.js';
import {
  collectPath,
  parseActor,
  parseDays,
  parsePartition,
  parsePath,
  parseTime,
  parseWorkspace,
} from '../parse-arguments.js';
import { print } from '../print.js';
import { graphqlUrl, ownToken, running, runningForWorkspace, withRunningLog } from './running.js';

/** 13 months: longer than a year's reviews reach back. */
const HOT_WINDOW_DAYS = 396;

/** Whoever holds the keys of the installation may erase; who it was is named. */
const ERASING_ROLE = 'data-protection-officer';
const ERASURE_REASONS = erasureGround.options.map((ground) => ground.toLowerCase().replaceAll('_', '-'));

interface ArchiveOptions {
  readonly before?: string;
  readonly to: readonly string[];
  readonly hotWindow: number;
  readonly drop: boolean;
  readonly actor?: string;
}

interface EraseOptions {
  readonly reason: string;
  readonly actor: string;
  readonly receipt: string;
  readonly workspace: string;
}

interface HoldOptions {
  readonly workspace: string;
  readonly reason: string;
  readonly actor?: string;
}

const archiveVerb = (kontor: Command): void => {
  kontor
    .command('archive')
    .description('write an old partition of the log to files, read it back, and take it out of the database')
    .argument('[partition]', 'its number; 0 is the oldest', parsePartition)
    .option('--before <time>', 'instead: all whose newest event is older', parseTime)
    .option('--to <directory>', 'where to; repeat for a second place', collectPath, [])
    .option('--hot-window <days>', 'how old its newest event must be', parseDays, HOT_WINDOW_DAYS)
    .option('--drop', 'remove the rows of one that is archived', false)
    .option('--actor <name>', 'who does it', parseActor)
    .action(async (partition: number | undefined, { hotWindow: hotWindowDays, ...options }: ArchiveOptions) => {
      const { config, run } = await running();
      const governance = await asGovernance(config, run);
      await withLog(await ownerUrl(config, run), (pool) =>
        archive(pool, governance, { partition, hotWindowDays, ...options }),
      );
    });
};

const eraseVerb = (kontor: Command): void => {
  kontor
    .command('erase')
    .description("destroy the keys of a person's data, for ever, and write a receipt that kontor-verify checks")
    .argument('<person>', 'the actor id of the person', parseActor)
    .addOption(new Option('--reason <ground>', 'GDPR, Article 17(1)').choices(ERASURE_REASONS).makeOptionMandatory())
    .requiredOption('--actor <name>', 'who erases; stands in the log', parseActor)
    .requiredOption('--receipt <file>', 'must not exist yet', parsePath)
    .option('--workspace <name>', 'where', parseWorkspace, DEFAULT_WORKSPACE)
    .action(async (subjectId: string, { reason, actor, receipt, workspace }: EraseOptions) => {
      const found = await runningForWorkspace(workspace);
      const gateway = {
        url: graphqlUrl(found),
        token: await ownToken(found, { actor, roles: [ERASING_ROLE], workspace }),
      };
      await erase(gateway, { subjectId, ground: reason.toUpperCase().replaceAll('-', '_') }, receipt);
      const { keysDir, witness } = found.config;
      await withLog(await readerUrl(found.config, found.run), (pool) =>
        writeReceipt(pool, { workspace, subjectId }, { path: receipt, keysDir, witness: witness?.verifier }),
      );
    });
};

const holdVerbs = (kontor: Command): void => {
  const hold = kontor.command('hold').description('legal holds: nothing of a workspace is removed while it has one');

  hold
    .command('add')
    .description('place one, and print its id')
    .requiredOption('--workspace <name>', 'whose', parseWorkspace)
    .requiredOption('--reason <text>', 'why')
    .option('--actor <name>', 'who does it', parseActor)
    .action(async (options: HoldOptions) => {
      const { config, run } = await runningForWorkspace(options.workspace);
      print(await addHold(await asGovernance(config, run), options));
    });

  hold
    .command('list')
    .description('print those that are placed')
    .option('--workspace <name>', 'only of this one', parseWorkspace)
    .option('--json', 'one JSON object per line', false)
    .action((options: { workspace?: string; json: boolean }) => withRunningLog((pool) => listHolds(pool, options)));

  hold
    .command('remove')
    .description('release one')
    .argument('<id>', 'as "kontor hold list" prints it')
    .requiredOption('--workspace <name>', 'whose', parseWorkspace)
    .requiredOption('--reason <text>', 'why')
    .option('--actor <name>', 'who does it', parseActor)
    .action(async (id: string, options: HoldOptions) => {
      const { config, run } = await runningForWorkspace(options.workspace);
      await removeHold(await asGovernance(config, run), id, options);
    });
};

/** What of the log is kept, and where: archive, legal holds, and the keys of personal data. */
export const retentionVerbs = (kontor: Command): void => {
  archiveVerb(kontor);
  eraseVerb(kontor);
  holdVerbs(kontor);
};
