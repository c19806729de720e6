import type { ArtifactStore } from './artifact-store.js';
import { DiskArtifacts } from './disk-artifacts.js';
import type { ArtifactSettings } from './settings.js';

/** The store that the settings name. Nothing is asked of the storage yet. The S3 client is loaded only where it is used. */
export const openArtifacts = async (settings: ArtifactSettings): Promise<ArtifactStore> => {
  if (settings.kind === 'disk') return new DiskArtifacts(settings.directory);
  const { S3Artifacts } = await import('./s3-artifacts.js');
  return new S3Artifacts(settings);
};
