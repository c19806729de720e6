import type { RegistryEvent, Stage } from './events.js';
import { evolveTags, type Tags, tagsOf } from './tags.js';

interface Version {
  readonly stage: Stage;
  readonly deleted: boolean;
}

export interface RegisteredModel {
  readonly status: 'Active' | 'Deleted';
  readonly name: string;
  readonly description: string | null;
  readonly tags: Tags;
  readonly firstVersion: number;
  readonly nextVersion: number;
  /** First and last number of each run of numbers that an import passed over: no version ever had them. */
  readonly gaps: readonly (readonly [first: number, last: number])[];
  /** What is not as it was registered. Most versions stay as they are, so a model of many thousands has a small state. */
  readonly changed: ReadonlyMap<number, Version>;
  readonly aliases: ReadonlyMap<string, number>;
  readonly protectedAliases: ReadonlySet<string>;
  /** Every name that it ever had. */
  readonly names: ReadonlySet<string>;
}

export type RegisteredModelState = { readonly status: 'None' } | RegisteredModel;

const AS_REGISTERED: Version = { stage: 'None', deleted: false };

/** Numbers have no gap but those that are kept, so those that were given are known without being kept. */
export const versionOf = (model: RegisteredModel, version: number): Version | undefined => {
  const { firstVersion, nextVersion, gaps, changed } = model;
  if (version < firstVersion || version >= nextVersion) return undefined;
  if (gaps.some(([first, last]) => version >= first && version <= last)) return undefined;
  return changed.get(version) ?? AS_REGISTERED;
};

/** A version that was registered and is not deleted. */
export const present = (model: RegisteredModel, version: number): Version | undefined => {
  const known = versionOf(model, version);
  return known === undefined || known.deleted ? undefined : known;
};

const withVersion = (model: RegisteredModel, number: number, change: Partial<Version>): RegisteredModel => {
  const before = model.changed.get(number) ?? AS_REGISTERED;
  return { ...model, changed: new Map(model.changed).set(number, { ...before, ...change }) };
};

/** Folds an event of a model that was created. */
export const evolvePresent = (state: RegisteredModel, event: RegistryEvent): RegisteredModel => {
  switch (event.type) {
    case 'RegisteredModelRenamed':
      return { ...state, name: event.data.name, names: new Set(state.names).add(event.data.name) };
    case 'RegisteredModelDescribed':
      return { ...state, description: event.data.description };
    case 'RegisteredModelDeleted':
      return { ...state, status: 'Deleted' };
    case 'RegisteredModelRestored':
      return { ...state, status: 'Active' };
    case 'ModelVersionRegistered': {
      const { version } = event.data;
      const { nextVersion, gaps } = state;
      const passed = version > nextVersion ? [[nextVersion, version - 1] as const] : [];
      return { ...state, nextVersion: version + 1, gaps: passed.length > 0 ? [...gaps, ...passed] : gaps };
    }
    case 'StageChanged':
      return withVersion(state, event.data.version, { stage: event.data.stage });
    case 'ModelVersionDeleted':
      return withVersion(state, event.data.version, { deleted: true });
    case 'ModelVersionRestored':
      return withVersion(state, event.data.version, { deleted: false });
    case 'AliasSet':
      return { ...state, aliases: new Map(state.aliases).set(event.data.alias, event.data.version) };
    case 'AliasRemoved':
      return { ...state, aliases: new Map([...state.aliases].filter(([alias]) => alias !== event.data.alias)) };
    case 'AliasProtected':
      return { ...state, protectedAliases: new Set(state.protectedAliases).add(event.data.alias) };
    case 'AliasUnprotected':
      return {
        ...state,
        protectedAliases: new Set([...state.protectedAliases].filter((alias) => alias !== event.data.alias)),
      };
    default:
      return { ...state, tags: evolveTags(state.tags, event) };
  }
};

/** Folds an event of the stream of a registered model. */
export const evolve = (state: RegisteredModelState, event: RegistryEvent): RegisteredModelState => {
  if (event.type === 'RegisteredModelCreated') {
    const { name, description, tags, firstVersion } = event.data;
    return {
      status: 'Active',
      name,
      description,
      tags: tagsOf(tags),
      firstVersion,
      nextVersion: firstVersion,
      gaps: [],
      changed: new Map(),
      aliases: new Map(),
      protectedAliases: new Set(),
      names: new Set([name]),
    };
  }
  if (state.status === 'None') throw new Error(`${event.type} before RegisteredModelCreated`);
  return evolvePresent(state, event);
};
