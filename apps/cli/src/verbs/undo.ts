import { DEFAULT_WORKSPACE, LOCAL_ACTOR_ID } from '@kontor/service/process';
import type { Command } from 'commander';
import { undo } from '../commands/undo.js';
import { parseActor, parsePositionArgument, parseWorkspace } from '../parse-arguments.js';
import { graphqlUrl, ownToken, runningForWorkspace } from './running.js';

interface UndoOptions {
  readonly yes: boolean;
  readonly actor: string;
  readonly workspace: string;
}

/** What puts back what one command changed. */
export const undoVerbs = (kontor: Command): void => {
  kontor
    .command('undo')
    .description('show what would undo the command that an event belongs to; with --yes do it')
    .argument('<position>', 'of the event; kontor events prints them', parsePositionArgument)
    .option('--yes', 'do it', false)
    .option('--actor <name>', 'who does it', parseActor, LOCAL_ACTOR_ID)
    .option('--workspace <name>', 'where', parseWorkspace, DEFAULT_WORKSPACE)
    .addHelpText('after', '\nExit code 1: it cannot be undone, or something has changed since; nothing was changed.')
    .action(async (position: string, { yes, actor, workspace }: UndoOptions) => {
      const found = await runningForWorkspace(workspace);
      const token = await ownToken(found, { actor, roles: ['admin'], workspace });
      await undo({ url: graphqlUrl(found), token }, position, { yes });
    });
};
