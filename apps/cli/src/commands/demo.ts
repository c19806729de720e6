import type { CliConfig } from '../config.js';
import { readRunFile, type RunFile } from '../supervisor/run-file.js';
import { up } from './up.js';

/** The story, told against a running platform. @throws when a number is not what the story claims */
export type Story = (platform: { config: CliConfig; addresses: RunFile['addresses'] }) => Promise<void>;

/**
 * `kontor demo`: plays the story against the platform that runs on the data directory, or starts one for it, which stays up
 * afterwards unless `exit` is set. A running platform is never stopped.
 * @throws what the story throws; a platform that was started for it is stopped first
 */
export const demo = async (config: CliConfig, story: Story, { exit }: { exit: boolean }): Promise<void> => {
  const running = await readRunFile(config.dataDir);
  if (running) await story({ config, addresses: running.addresses });
  else await up(config, { run: (addresses) => story({ config, addresses }), isLast: exit });
};
