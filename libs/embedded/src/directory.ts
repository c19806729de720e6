import { access, constants, mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SettingRefused } from './setting-refused.js';
import { unlessMissing } from './unless-missing.js';

/** `mkdir` with `recursive` tries for ever where a directory exists in which none can be made, such as /proc. */
const make = async (directory: string, mode?: number): Promise<void> => {
  const found = await unlessMissing(stat(directory));
  if (found?.isDirectory()) return;
  const parent = dirname(directory);
  if (!found && parent !== directory) await make(parent);
  await mkdir(directory, { mode }).catch(async (error: NodeJS.ErrnoException) => {
    const isMadeByAnother = error.code === 'EEXIST' && (await stat(directory)).isDirectory();
    if (!isMadeByAnother) throw error;
  });
};

/** A directory's refusal, because of what the system said about a use of it. */
export const unusable = (variable: string, directory: string, cause: Error): SettingRefused =>
  new SettingRefused(
    variable,
    directory,
    `cannot be used (${cause.message})`,
    'a directory that this user may read and write',
    {
      cause,
    },
  );

/**
 * Makes a directory, and those above it, unless it exists.
 * @param variable the setting that names it
 * @param mode of the directory itself if it is made; default: what the umask leaves
 * @throws SettingRefused if it cannot be made or used
 */
export const ensureDirectory = async (variable: string, directory: string, mode?: number): Promise<void> => {
  try {
    await make(directory, mode);
    await access(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw unusable(variable, directory, error as Error);
  }
};
