import type { CliConfig } from '../config.js';
import type { RunFile } from '../supervisor/run-file.js';
import { audit } from './audit.js';
import { badVersion } from './bad-version.js';
import { build } from './build.js';
import { governance } from './governance.js';
import { monitor } from './monitoring.js';
import { preproduction } from './preproduction.js';
import { rollOut } from './rollout.js';
import { setStage } from './stage.js';

/**
 * The life of a model on real data, told on a terminal, against a running platform.
 *
 * @throws StoryBroken as soon as a number is not what the story claims; the error says which and what was measured.
 */
export const tellStory = async (
  config: CliConfig,
  addresses: RunFile['addresses'],
  print: (line: string) => void,
): Promise<void> => {
  const stage = await setStage(config, addresses, print);
  print(`\nQueries after "see:" run at ${addresses.gateway}/explorer`);
  const built = await build(stage);
  await preproduction(stage, built);
  await governance(stage, built);
  await rollOut(stage, built);
  await monitor(stage, built);
  await badVersion(stage, built);
  await audit(stage, built);
  stage.narrator.end();
};
