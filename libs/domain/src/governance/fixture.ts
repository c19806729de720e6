import type { Actor, CommandMetadata } from '@kontor/event-sourcing';
import { metadata } from '@kontor/event-sourcing/testing';
import type { GovernanceCommand } from './commands.js';

type CommandData<Type extends GovernanceCommand['type']> = Extract<GovernanceCommand, { type: Type }>['data'];

export const id = (n: number): string => `01975b00-0000-7000-8000-${String(n).padStart(12, '0')}`;
export const SUBJECT = { modelName: 'credit', version: 1, manifestDigest: `sha256:${'a'.repeat(64)}` };

export const person = (name: string, ...roles: string[]): Actor => ({ id: name, kind: 'person', roles });
export const as = (actor: Actor): CommandMetadata => metadata({ actor });
export const OFFICER = person('olga', 'risk-officer');
export const ADMIN = person('root', 'admin');
export const LOCAL: Actor = { id: 'local:x', kind: 'local', roles: [] };
export const OWN_SERVICE: Actor = { id: 'service:governance', kind: 'service', roles: [] };
export const OTHER_SERVICE: Actor = { id: 'service:serving', kind: 'service', roles: ['admin'] };

/** A command of the person `ada`, who has no role, unless said otherwise. */
export const command = <Type extends GovernanceCommand['type']>(
  type: Type,
  data: CommandData<Type>,
  actor = person('ada'),
) => ({ type, data, metadata: as(actor) });
