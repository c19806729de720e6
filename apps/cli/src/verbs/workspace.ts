import { DEFAULT_WORKSPACE, LOCAL_ACTOR_ID } from '@kontor/service/process';
import type { Command } from 'commander';
import {
  createWorkspace,
  deleteWorkspace,
  describeWorkspace,
  type Door,
  listWorkspaces,
} from '../commands/workspace.js';
import { parseActor, parseNewWorkspace } from '../parse-arguments.js';
import { gatewayUrl, ownToken, running } from './running.js';

interface ActorOption {
  readonly actor?: string;
}

/** Whoever holds the keys of the installation administers it; who it was is named. */
const door = async ({ actor = LOCAL_ACTOR_ID }: ActorOption): Promise<Door> => {
  const found = await running();
  const token = await ownToken(found, { actor, roles: ['admin'], workspace: DEFAULT_WORKSPACE });
  return { url: gatewayUrl(found), token };
};

/** Places with names, runs, models and files of their own. */
export const workspaceVerbs = (kontor: Command): void => {
  const workspace = kontor
    .command('workspace')
    .description('workspaces: each has runs, models, names and files of its own');

  workspace
    .command('create')
    .description('make one, and print the tracking URI for it')
    .argument('<name>', '2 to 63 of a-z, 0-9 and -', parseNewWorkspace)
    .option('--description <text>', 'what it is for')
    .option('--actor <name>', 'who does it', parseActor)
    .action(async (name: string, { description, ...by }: ActorOption & { description?: string }) =>
      createWorkspace(await door(by), { name, description }),
    );

  workspace
    .command('list')
    .description('print them')
    .option('--json', 'one JSON object per line', false)
    .action(async (options: { json: boolean }) => listWorkspaces(await door({}), options));

  workspace
    .command('describe')
    .description('say what one is for')
    .argument('<name>', 'which', parseNewWorkspace)
    .argument('<text>', 'what it is for')
    .option('--actor <name>', 'who does it', parseActor)
    .action(async (name: string, text: string, by: ActorOption) => describeWorkspace(await door(by), name, text));

  workspace
    .command('delete')
    .description('delete one that holds nothing')
    .argument('<name>', 'which', parseNewWorkspace)
    .option('--actor <name>', 'who does it', parseActor)
    .action(async (name: string, by: ActorOption) => deleteWorkspace(await door(by), name));
};
