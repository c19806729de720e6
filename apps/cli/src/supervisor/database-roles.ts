import { createHmac } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readOrCreateSecret } from '@kontor/embedded';
import { LOGIN_ROLES } from '@kontor/event-store';

/** One secret in the keys directory (0600); each role's password is derived from it, so that no list has to be kept in step. */
const derive = (secret: string, role: string): string => createHmac('sha256', secret).update(role).digest('base64url');

/** The password of every login role of the event store. */
export const rolePasswords = async (keysDir: string): Promise<Record<string, string>> => {
  await mkdir(keysDir, { recursive: true, mode: 0o700 });
  const secret = await readOrCreateSecret(join(keysDir, 'database.secret'));
  return Object.fromEntries(LOGIN_ROLES.map((role) => [role, derive(secret, role)]));
};
