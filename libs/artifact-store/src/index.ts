export { artifactFile } from './artifact-file.js';
export {
  ArtifactMissing,
  type ArtifactReader,
  type ArtifactStore,
  type ByteRange,
  type DirectTransfers,
  type OpenArtifact,
  StorageFull,
  StorageUnavailable,
  type StoredArtifact,
  UploadAborted,
  type UploadedPart,
  UploadInvalid,
  UploadUnknown,
} from './artifact-store.js';
export { openArtifacts } from './open-artifacts.js';
export { ArtifactUnusable, proven, readArtifact } from './read-artifact.js';
export type { ArtifactSettings, S3Settings } from './settings.js';
