import type { Actor } from '@kontor/event-sourcing';

/** Who asks, in which workspace, and until when. Made once per request or socket, from a verified token or by open mode. */
export interface Principal {
  readonly actor: Actor;
  readonly workspace: string;
  /** Milliseconds since 1970; undefined in open mode, which has no sign-in to expire. */
  readonly expiresAtMs: number | undefined;
}

/** May read everything and send nothing. */
export const AUDITOR = 'auditor';

/** An auditor's token is no writer's token, whatever other roles it names. */
export const mayCommand = ({ actor }: Principal): boolean => !actor.roles.includes(AUDITOR);
