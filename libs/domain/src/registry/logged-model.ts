import { type CommandOf, type Decider, reject, unreachable } from '@kontor/event-sourcing';
import {
  type Artifacts,
  evolveArtifacts,
  NO_ARTIFACTS,
  refuseWrite,
  type RegisterArtifacts,
  registerArtifacts,
  removeArtifacts,
  storeArtifact,
} from './artifacts.js';
import type { registryCommands } from './commands.js';
import type { RegistryEvent } from './events.js';
import { refuseDeletion } from './kept-versions.js';
import type { RegistryRejection } from './rejections.js';
import { evolveTags, removeTag, setTags, type Tags, tagsOf } from './tags.js';
import { type Inverse, neverUndone, tagRemovedBack, tagSetBack, undone } from './undo.js';

interface LoggedModel {
  readonly status: 'Active' | 'Deleted';
  readonly finalized: { readonly status: 'READY' | 'UPLOAD_FAILED'; readonly manifestDigest: string | null } | null;
  readonly params: Tags;
  readonly tags: Tags;
  readonly artifacts: Artifacts;
}

export type LoggedModelState = { readonly status: 'None' } | LoggedModel;

export type LoggedModelCommand = SentLoggedModelCommand | RegisterArtifacts<{ readonly loggedModelId: string }>;
export type SentLoggedModelCommand = CommandOf<
  typeof registryCommands,
  | 'CreateLoggedModel'
  | 'FinalizeLoggedModel'
  | 'LogLoggedModelParams'
  | 'SetLoggedModelTags'
  | 'RemoveLoggedModelTag'
  | 'DeleteLoggedModel'
  | 'UndoLoggedModel'
  | 'RecordLoggedModelArtifact'
  | 'RemoveLoggedModelArtifacts'
  | 'RefuseLoggedModelArtifactWrite'
>;

/** The rules of one logged model. Status, params and tags are accepted on a deleted one too, as in MLflow. */
export const loggedModel: Decider<LoggedModelState, LoggedModelCommand, RegistryEvent, RegistryRejection> = {
  initialState: { status: 'None' },
  decide: (command, state) => {
    const { loggedModelId } = command.data;
    if (command.type === 'CreateLoggedModel') {
      if (state.status !== 'None') return reject('LOGGED_MODEL_EXISTS', { loggedModelId });
      return [{ type: 'LoggedModelCreated', data: command.data }];
    }
    if (state.status === 'None') return reject('LOGGED_MODEL_UNKNOWN', { loggedModelId });
    const target = { aggregate: 'logged-model', loggedModelId } as const;
    switch (command.type) {
      case 'FinalizeLoggedModel': {
        const { status, manifestDigest } = command.data;
        const { finalized } = state;
        if (finalized?.status === status && finalized.manifestDigest === manifestDigest) return [];
        return [{ type: 'LoggedModelFinalized', data: command.data }];
      }
      case 'LogLoggedModelParams': {
        const given = Object.entries(tagsOf(command.data.params));
        const changed = given
          .filter(([key, value]) => (state.params[key] ?? value) !== value)
          .map(([key, value]) => ({ key, oldValue: state.params[key], newValue: value }));
        if (changed.length > 0) return reject('PARAM_CHANGED', { loggedModelId, changed });
        const params = given.filter(([key]) => state.params[key] === undefined).map(([key, value]) => ({ key, value }));
        return params.length === 0 ? [] : [{ type: 'LoggedModelParamsLogged', data: { loggedModelId, params } }];
      }
      case 'SetLoggedModelTags':
        return setTags(target, state.tags, command.data.tags);
      case 'RemoveLoggedModelTag':
        return removeTag(target, state.tags, command.data.key);
      case 'DeleteLoggedModel':
        if (state.status === 'Deleted') return [];
        if (command.data.keptBy.length > 0) return refuseDeletion(target, command.data.keptBy, command.metadata);
        return [{ type: 'LoggedModelDeleted', data: { loggedModelId } }];
      case 'UndoLoggedModel':
        return undone(command.data.events, state, evolvePresent, eventBack);
      case 'RecordLoggedModelArtifact':
        if (state.status === 'Deleted') return reject('LOGGED_MODEL_DELETED', { loggedModelId });
        return storeArtifact(target, state.artifacts, command);
      case 'RemoveLoggedModelArtifacts':
        return removeArtifacts(target, state.artifacts, command);
      case 'RefuseLoggedModelArtifactWrite':
        return refuseWrite(target, command);
      case 'RegisterArtifacts':
        return registerArtifacts(target, state.artifacts, command);
      default:
        return unreachable(command);
    }
  },
  evolve: (state, event) => {
    if (event.type === 'LoggedModelCreated') {
      const { params, tags } = event.data;
      return {
        status: 'Active',
        finalized: null,
        params: tagsOf(params),
        tags: tagsOf(tags),
        artifacts: NO_ARTIFACTS,
      };
    }
    if (state.status === 'None') throw new Error(`${event.type} before LoggedModelCreated`);
    return evolvePresent(state, event);
  },
};

const evolvePresent = (state: LoggedModel, event: RegistryEvent): LoggedModel => {
  switch (event.type) {
    case 'LoggedModelFinalized':
      return { ...state, finalized: { status: event.data.status, manifestDigest: event.data.manifestDigest } };
    case 'LoggedModelParamsLogged':
      return { ...state, params: tagsOf(event.data.params, state.params) };
    case 'LoggedModelDeleted':
      return { ...state, status: 'Deleted' };
    default:
      return {
        ...state,
        tags: evolveTags(state.tags, event),
        artifacts: evolveArtifacts(state.artifacts, event),
      };
  }
};

const eventBack = (event: RegistryEvent, { tags }: LoggedModel): Inverse => {
  switch (event.type) {
    case 'LoggedModelDeleted':
      return { never: 'a logged model is not restored, as in MLflow' };
    case 'TagSet':
      return tagSetBack(event.data, tags);
    case 'TagRemoved':
      return tagRemovedBack(event.data, tags);
    default:
      return neverUndone(event);
  }
};
