import { CommandFailed } from './usage-error.js';

/** A key of the installation, for a command. @throws CommandFailed that names the file if it does not exist yet or is no key */
export const usableKey = async <Key>(file: string, loaded: Promise<Key>): Promise<Key> => {
  try {
    return await loaded;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new CommandFailed(`${file} does not exist: the first "kontor up" makes it`);
    throw new CommandFailed(`${file} cannot be used as a key (${message})`, { cause: error });
  }
};
