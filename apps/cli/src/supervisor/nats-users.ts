import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type NatsPermissions, natsPermissions, subscriberOf, subscriberPermissions } from '@kontor/messaging';

const SECRET = '.secret';

const folder = (dataDir: string): string => join(dataDir, 'nats');

/** Where the password of a user of the embedded NATS lies. */
export const natsPasswordFile = (dataDir: string, user: string): string => join(folder(dataDir), `${user}${SECRET}`);

/** Every user of the embedded NATS: one for each app, and one for each external subscriber, that is whoever has a password. */
export const natsUsers = async (dataDir: string): Promise<Readonly<Record<string, NatsPermissions>>> => {
  const files = await readdir(folder(dataDir)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []; // the first start
    throw error;
  });
  const users = files.filter((file) => file.endsWith(SECRET)).map((file) => basename(file, SECRET));
  const subscribers = users.flatMap((user) => {
    const name = subscriberOf(user);
    return name === undefined ? [] : [[user, subscriberPermissions(name)] as const];
  });
  return { ...natsPermissions, ...Object.fromEntries(subscribers) };
};
