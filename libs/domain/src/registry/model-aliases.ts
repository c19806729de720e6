import { type CommandMetadata, type CommandOf, type Decision, reject } from '@kontor/event-sourcing';
import type { Role } from '../roles.js';
import type { registryCommands } from './commands.js';
import type { RegistryEvent } from './events.js';
import { present, type RegisteredModel } from './registered-model-state.js';
import type { RegistryRejection } from './rejections.js';

type Decided = Decision<RegistryEvent, RegistryRejection>;
type CommandWith<Type extends keyof typeof registryCommands> = CommandOf<typeof registryCommands, Type>;

/** @source MLflow 3.18: `latest` in any case, and `v` with digits, name versions by themselves. */
const RESERVED_ALIAS = /^(latest|v\d+)$/i;

/** Moves an alias; a protected one only if the actor may. */
export const setAlias = (command: CommandWith<'SetAlias'>, model: RegisteredModel): Decided => {
  const { modelId, alias, version, reason } = command.data;
  const { name } = model;
  if (RESERVED_ALIAS.test(alias)) return reject('ALIAS_RESERVED', { alias });
  if (present(model, version) === undefined) return reject('VERSION_UNKNOWN', { name, version });
  const previousVersion = model.aliases.get(alias) ?? null;
  if (previousVersion === version) return [];
  if (!mayMove(alias, model, command.metadata)) return refuseMove(command, model, version);
  const why = reason === undefined ? {} : { reason };
  return [{ type: 'AliasSet', data: { modelId, name, version, alias, previousVersion, ...why } }];
};

/** Removes an alias; a protected one only if the actor may. */
export const removeAlias = (command: CommandWith<'RemoveAlias'>, model: RegisteredModel): Decided => {
  const { modelId, alias, reason } = command.data;
  const { name } = model;
  const version = model.aliases.get(alias);
  if (version === undefined) return [];
  if (!mayMove(alias, model, command.metadata)) return refuseMove(command, model, null);
  const why = reason === undefined ? {} : { reason };
  return [{ type: 'AliasRemoved', data: { modelId, name, version, alias, ...why } }];
};

/** Who may release. The local user of an installation without sign-in may, because nobody else is there. */
const RELEASING_ROLES: readonly Role[] = ['owner', 'admin'];

const mayRelease = ({ actor }: CommandMetadata): boolean =>
  actor.kind === 'local' || RELEASING_ROLES.some((role) => actor.roles.includes(role));

/** Whether the actor may set or remove an alias: a protected one only who releases. */
export const mayMove = (alias: string, { protectedAliases }: RegisteredModel, metadata: CommandMetadata): boolean =>
  !protectedAliases.has(alias) || mayRelease(metadata);

const refuseMove = (
  { data, metadata }: CommandWith<'SetAlias' | 'RemoveAlias'>,
  { name, aliases }: RegisteredModel,
  wantedVersion: number | null,
): Decided => {
  const { modelId, alias } = data;
  const heldVersion = aliases.get(alias) ?? null;
  const by = metadata.actor.id;
  return [{ type: 'AliasChangeRefused', data: { modelId, name, alias, heldVersion, wantedVersion, by } }];
};

/** Protects an alias, set or not, or frees it again. */
export const protectAlias = (
  { type, data, metadata }: CommandWith<'ProtectAlias' | 'UnprotectAlias'>,
  { name, protectedAliases }: RegisteredModel,
): Decided => {
  const { modelId, alias } = data;
  if (!mayRelease(metadata))
    return reject('ALIAS_ROLE_REQUIRED', { actor: metadata.actor.id, anyOf: [...RELEASING_ROLES] });
  if (RESERVED_ALIAS.test(alias)) return reject('ALIAS_RESERVED', { alias });
  if (protectedAliases.has(alias) === (type === 'ProtectAlias')) return [];
  return [{ type: type === 'ProtectAlias' ? 'AliasProtected' : 'AliasUnprotected', data: { modelId, name, alias } }];
};
