import type { RegistryEvent } from '../registry/events.js';

/** Which versions of a registered model are deleted; all of them while the model is. */
export interface DeletedVersions {
  readonly model: boolean;
  readonly versions: ReadonlySet<number>;
}

/** Folds the stream of a registered model into what a rollout has to know of it. */
export const deletedVersions: {
  readonly initialState: DeletedVersions;
  readonly evolve: (state: DeletedVersions, event: RegistryEvent) => DeletedVersions;
} = {
  initialState: { model: false, versions: new Set() },
  evolve: (state, event) => {
    switch (event.type) {
      case 'RegisteredModelDeleted':
        return { ...state, model: true };
      case 'RegisteredModelRestored':
        return { ...state, model: false };
      case 'ModelVersionDeleted':
        return { ...state, versions: new Set(state.versions).add(event.data.version) };
      case 'ModelVersionRestored':
        return { ...state, versions: new Set([...state.versions].filter((known) => known !== event.data.version)) };
      default:
        return state;
    }
  },
};

/** Whether a version must not be given traffic, because it is deleted. */
export const isDeleted = ({ model, versions }: DeletedVersions, version: number): boolean =>
  model || versions.has(version);
