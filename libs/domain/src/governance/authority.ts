import type { Actor, CommandMetadata } from '@kontor/event-sourcing';
import type { Role } from '../roles.js';

/** Who may say what applies: the second line, or whoever runs the installation. */
const GOVERNING_ROLES: readonly Role[] = ['risk-officer', 'admin'];
export const RISK_OFFICER: Role = 'risk-officer';

/** A forged context or evidence would be a way around the gate, so some commands come from this service alone. */
export const isOwnService = ({ actor }: CommandMetadata): boolean =>
  actor.kind === 'service' && actor.id === 'service:governance';

/**
 * Whether the actor may classify, activate policies and resume. The local user of an installation without sign-in may,
 * because nobody else is there; approving stays closed to him.
 */
export const mayGovern = ({ kind, roles }: Actor): boolean =>
  kind === 'local' || (kind === 'person' && GOVERNING_ROLES.some((role) => roles.includes(role)));

/** Who may erase a person. */
export const ERASING_ROLES: readonly Role[] = ['data-protection-officer', 'admin'];

/** Whether the actor may erase a person; the local user of an installation without sign-in may. */
export const mayErase = ({ kind, roles }: Actor): boolean =>
  kind === 'local' || (kind === 'person' && ERASING_ROLES.some((role) => roles.includes(role)));

/** Details of ROLE_REQUIRED. */
export const rolesRequired = ({ id }: Actor) => ({ actor: id, anyOf: [...GOVERNING_ROLES] });
