import { ROLES } from '@kontor/domain/roles';
import { DEFAULT_WORKSPACE, LOCAL_ACTOR_ID } from '@kontor/service/process';
import { type Command, Option } from 'commander';
import { events } from '../commands/events.js';
import { rebuild, replay } from '../commands/replay.js';
import { readConfig } from '../config.js';
import {
  collectPolicyRole,
  collectRole,
  collectType,
  collectWorkspace,
  parseActor,
  parsePositionArgument,
  parseTtlMs,
  parseWorkspace,
} from '../parse-arguments.js';
import { print } from '../print.js';
import { signPersonToken } from '../sign-token.js';
import { graphqlUrl, ownToken, running, runningForWorkspace } from './running.js';

const EIGHT_HOURS_MS = 8 * 3_600_000;

interface TokenOptions {
  readonly actor: string;
  readonly role: readonly string[];
  readonly policyRole?: readonly string[];
  readonly workspace?: readonly string[];
  readonly ttl: number;
}

interface EventsOptions {
  readonly after: string;
  readonly type?: readonly string[];
  readonly follow: boolean;
  readonly workspace: string;
  readonly json: boolean;
}

/** Who may ask, what the log holds, and what is folded from it. */
export const logVerbs = (kontor: Command, setExitCode: (code: number) => void): void => {
  kontor
    .command('token')
    .description('print a signed token of a person')
    .requiredOption('--actor <name>', 'who it speaks for', parseActor)
    .requiredOption('--role <role>', `what they may do: ${ROLES.join(', ')}; repeat for each`, collectRole)
    .option('--policy-role <role>', 'one that a policy of yours asks for; repeat for each', collectPolicyRole)
    .option(
      '--workspace <name>',
      `where (default: "${DEFAULT_WORKSPACE}"); repeat for each that requests may choose`,
      collectWorkspace,
    )
    .addOption(
      new Option('--ttl <duration>', 'how long: 30m, 8h, 7d').argParser(parseTtlMs).default(EIGHT_HOURS_MS, '8h'),
    )
    .action(async ({ actor, role, policyRole = [], workspace: workspaces = [], ttl: ttlMs }: TokenOptions) => {
      const [workspace = DEFAULT_WORKSPACE, ...moreWorkspaces] = workspaces;
      const person = { actor, roles: [...role, ...policyRole], workspace, moreWorkspaces, ttlMs };
      print(await signPersonToken(readConfig().keysDir, person, Date.now()));
    });

  kontor
    .command('events')
    .description('print the log from a position')
    .option('--after <position>', 'begin behind this position', parsePositionArgument, '0')
    .option('--type <event>', 'only these; repeat for each', collectType)
    .option('--follow', 'go on with new events until Ctrl-C', false)
    .option('--workspace <name>', 'whose', parseWorkspace, DEFAULT_WORKSPACE)
    .option('--json', 'one JSON object per line, with the data', false)
    .action(async ({ type: types, workspace, ...options }: EventsOptions) => {
      const found = await runningForWorkspace(workspace);
      const token = () => ownToken(found, { actor: LOCAL_ACTOR_ID, roles: ['auditor'], workspace });
      await events(graphqlUrl(found), token, { ...options, types });
    });

  kontor
    .command('replay')
    .description('fold the log into every read model again and compare; exit code 0 only if all are identical')
    .requiredOption('--verify', 'compare, and change nothing')
    .action(async () => {
      const { config, run } = await running();
      setExitCode(await replay(config, run));
    });

  kontor
    .command('rebuild')
    .description('make one read model anew from the log while the old rows serve, compare, and swap')
    .argument('<projection>', 'its name; a wrong one is answered with the list')
    .addHelpText('after', '\nExit code 1: it failed, or the rows that it replaced were not what the log gives.')
    .action(async (name: string) => {
      const { config, run } = await running();
      setExitCode(await rebuild(name, config, run));
    });
};
