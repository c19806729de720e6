import { deciderSpec } from '@kontor/event-sourcing/testing';
import { describe, it } from 'vitest';
import { artifactFolder } from './artifact-folder.js';
import type { RegistryEvent } from './events.js';
import { command, digestOf, file } from './fixture.js';

const folder = 'shared';
const owner = { aggregate: 'artifact-folder', folder } as const;
const stored = (path: string, char = 'a', previousDigest: string | null = null): RegistryEvent => ({
  type: 'ArtifactStored',
  data: { owner, ...file(path, char), previousDigest },
});
const store = (path: string, char = 'a') => command('RecordFolderArtifact', { folder, ...file(path, char) });
const remove = (path: string) => command('RemoveFolderArtifacts', { folder, path });

const { given } = deciderSpec(artifactFolder);

// A folder needs no beginning and has no end, so that nothing of it is rejected.
describe('an artifact folder', () => {
  it('begins with its first file, and records a file again only when its bytes change', () => {
    given([])
      .when(store('a/b'))
      .then([stored('a/b')]);
    given([stored('a/b')])
      .when(store('a/b'))
      .thenNothing();
    given([stored('a/b')])
      .when(store('a/b', 'b'))
      .then([stored('a/b', 'b', digestOf('a'))]);
  });

  it('loses a file or all below a folder, and nothing where nothing was', () => {
    const files = [stored('a/b'), stored('a/c', 'b'), stored('ab', 'c')];
    given(files)
      .when(remove('a'))
      .then([
        {
          type: 'ArtifactRemoved',
          data: {
            owner,
            path: 'a',
            files: [
              { path: 'a/b', digest: digestOf('a') },
              { path: 'a/c', digest: digestOf('b') },
            ],
          },
        },
      ]);
    const removed: RegistryEvent = {
      type: 'ArtifactRemoved',
      data: { owner, path: 'ab', files: [{ path: 'ab', digest: digestOf('c') }] },
    };
    given(files).when(remove('ab')).then([removed]);
    given([...files, removed])
      .when(remove('ab'))
      .thenNothing();
    given([]).when(remove('a')).thenNothing();
  });
});
