import { Command, type OutputConfiguration } from 'commander';
import { importVerbs } from './verbs/import.js';
import { logVerbs } from './verbs/log.js';
import { platformVerbs } from './verbs/platform.js';
import { proofVerbs } from './verbs/proof.js';
import { retentionVerbs } from './verbs/retention.js';
import { subscriberVerbs } from './verbs/subscriber.js';
import { undoVerbs } from './verbs/undo.js';
import { workspaceVerbs } from './verbs/workspace.js';

/**
 * The command line. `parse` runs one command and answers its exit code.
 * @param output where help and refusals are written; default: the standard streams
 * @throws CommanderError for wrong arguments, when the person has been told
 */
export const program = (output: OutputConfiguration = {}): { parse(argv: readonly string[]): Promise<number> } => {
  let exitCode = 0;
  const setExitCode = (code: number): void => {
    exitCode = code;
  };
  const kontor = new Command('kontor')
    .description('The system of record for machine-learning models')
    .configureOutput(output)
    .exitOverride()
    .showHelpAfterError('(kontor --help lists the commands)');

  platformVerbs(kontor, setExitCode);
  logVerbs(kontor, setExitCode);
  proofVerbs(kontor);
  retentionVerbs(kontor);
  subscriberVerbs(kontor);
  undoVerbs(kontor);
  workspaceVerbs(kontor);
  importVerbs(kontor, setExitCode);

  return {
    parse: async (argv) => {
      await kontor.parseAsync(argv);
      return exitCode;
    },
  };
};
