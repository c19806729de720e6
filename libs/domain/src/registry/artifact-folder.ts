import { type Command, type CommandOf, type Decider, unreachable } from '@kontor/event-sourcing';
import { type Artifacts, evolveArtifacts, NO_ARTIFACTS, removeArtifacts, storeArtifact } from './artifacts.js';
import type { registryCommands } from './commands.js';
import type { RegistryEvent } from './events.js';
import type { RegistryRejection } from './rejections.js';

export type FolderCommand = CommandOf<typeof registryCommands, 'RecordFolderArtifact' | 'RemoveFolderArtifacts'>;

/** No version is made of files that are not of a run or a logged model. */
const neverRegistered = <Data extends object>(command: Command<string, Data>) => ({
  ...command,
  data: { ...command.data, deletedVersions: [] },
});

/** Files that belong to no run and no logged model. A folder begins with its first file. */
export const artifactFolder: Decider<Artifacts, FolderCommand, RegistryEvent, RegistryRejection> = {
  initialState: NO_ARTIFACTS,
  decide: (command, artifacts) => {
    const owner = { aggregate: 'artifact-folder', folder: command.data.folder } as const;
    switch (command.type) {
      case 'RecordFolderArtifact':
        return storeArtifact(owner, artifacts, neverRegistered(command));
      case 'RemoveFolderArtifacts':
        return removeArtifacts(owner, artifacts, neverRegistered(command));
      default:
        return unreachable(command);
    }
  },
  evolve: evolveArtifacts,
};
