import { DEFAULT_WORKSPACE } from '@kontor/service/process';
import type { Command } from 'commander';
import { checkpoint, exportBundle } from '../commands/export.js';
import { newEpoch } from '../commands/new-epoch.js';
import { beginRotation, finishRotation } from '../commands/rotate-key.js';
import { readConfig } from '../config.js';
import { publicKeys } from '../log-keys.js';
import { collectPath, collectStream, parsePath, parseRange, parseWorkspace } from '../parse-arguments.js';
import { UsageError } from '../usage-error.js';
import { withRunningLog } from './running.js';

interface ExportOptions {
  readonly model?: string;
  readonly endpoint?: string;
  readonly useCase?: string;
  readonly stream?: readonly string[];
  readonly positions?: readonly [number, number];
  /** False for --no-events. */
  readonly events: boolean;
  readonly since?: readonly string[];
  readonly workspace?: string;
}

const DOSSIERS = [
  ['model', 'model'],
  ['endpoint', 'endpoint'],
  ['useCase', 'use-case'],
] as const;

const dossierOf = ({ workspace = DEFAULT_WORKSPACE, ...options }: ExportOptions) => {
  const [dossier] = DOSSIERS.flatMap(([name, of]) => {
    const wanted = options[name];
    return wanted === undefined ? [] : [{ of, name: wanted, workspace }];
  });
  return dossier;
};

/** @throws UsageError if two are given of what excludes each other, or a workspace of which nothing is chosen */
const refuseContradictions = (options: ExportOptions): void => {
  const { stream, positions, events, workspace } = options;
  const given = [
    ...DOSSIERS.filter(([name]) => options[name] !== undefined).map(([, flag]) => `--${flag}`),
    ...(stream ? ['--stream'] : []),
    ...(positions ? ['--positions'] : []),
    ...(events ? [] : ['--no-events']),
  ];
  if (given.length > 1) throw new UsageError(`choose one of ${given.join(' and ')}`);
  if (workspace !== undefined && !dossierOf(options))
    throw new UsageError('--workspace: goes with --model, --endpoint or --use-case; name one of them');
};

const exportVerb = (kontor: Command): void => {
  kontor
    .command('export')
    .description('write the log, or a part of it, into a bundle that kontor-verify checks anywhere, without network')
    .argument('<file>', 'must not exist yet', parsePath)
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
      collectPath,
    )
    .option(
      '--workspace <name>',
      `of the model, endpoint or use case (default: "${DEFAULT_WORKSPACE}")`,
      parseWorkspace,
    )
    .action(async (path: string, options: ExportOptions) => {
      refuseContradictions(options);
      await withRunningLog((pool, { config: { keysDir, witness } }) =>
        exportBundle(pool, {
          path,
          selection: {
            streams: options.stream ?? [],
            dossier: dossierOf(options),
            range: options.positions,
            isWithoutEvents: !options.events,
            since: options.since ?? [],
          },
          keysDir,
          witness: witness?.verifier,
        }),
      );
    });
};

/** What somebody outside needs to check the log: checkpoints, keys, epochs and bundles. */
export const proofVerbs = (kontor: Command): void => {
  kontor
    .command('checkpoint')
    .description('print the newest signed checkpoint of the log, for an auditor to keep')
    .option('--key', "print the log's public keys instead, each with the sizes for which it counts", false)
    .action(async (options: { key: boolean }) => {
      const { keysDir, logOrigin } = readConfig();
      if (options.key) process.stdout.write(await publicKeys(keysDir, logOrigin));
      else await withRunningLog((pool, { config }) => checkpoint(pool, config.witness?.verifier));
    });

  kontor
    .command('rotate-key')
    .description('make the key that will sign the log next; the platform signs with both from its next start on')
    .option('--finish', 'retire the key before: it counts up to the newest checkpoint', false)
    .action(async (options: { finish: boolean }) => {
      const { keysDir, logOrigin } = readConfig();
      if (options.finish) await withRunningLog((pool) => finishRotation(pool, keysDir, logOrigin));
      else await beginRotation(keysDir, logOrigin);
    });

  kontor
    .command('new-epoch')
    .description(
      'let a log that was restored from an old backup go on, under another origin; the platform must be down',
    )
    .option('--yes', 'a backup was restored, and events that were signed are lost', false)
    .action(({ yes }: { yes: boolean }) => {
      if (!yes)
        throw new UsageError(
          'new-epoch gives the log another origin for ever, and removes the copy in NATS with the consumers of all subscribers; if a backup was restored and signed events are lost, add --yes',
        );
      return newEpoch(readConfig());
    });

  exportVerb(kontor);
};
