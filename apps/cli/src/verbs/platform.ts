import type { Command } from 'commander';
import { demo } from '../commands/demo.js';
import { down } from '../commands/down.js';
import { status } from '../commands/status.js';
import { up } from '../commands/up.js';
import { readConfig } from '../config.js';
import { tellStory } from '../demo/story.js';
import { print } from '../print.js';

/** What starts, stops and looks at the platform. */
export const platformVerbs = (kontor: Command, setExitCode: (code: number) => void): void => {
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
      setExitCode(await status(readConfig(), options));
    });
};
