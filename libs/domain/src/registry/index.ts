export { overlaps } from './artifacts.js';
export { type RegistryCommand, registryCommands, RESERVED_WORKSPACES } from './commands.js';
export { registry } from './context.js';
export { keptVersions, type ServedVersion, servedVersions, servingEndpoint } from './kept-versions.js';
export { withoutKey, withValues } from './pairs.js';
export { registeredModel } from './registered-model.js';
export {
  type ArtifactOwner,
  type DatasetField,
  type DatasetRecord,
  type KeptVersion,
  type KeyValue,
  PERSONAL_TAGS,
  type MetricPoint,
  type RegistryEvent,
  registryEvents,
  type RunDataset,
  type Stage,
  type TagTarget,
  WEBHOOK_EVENTS,
  type WebhookEvent,
  type WebhookSettings,
} from './events.js';
export type { Assessment, SpanIndex } from './trace-events.js';
export { evolveTrace, type Trace } from './trace-state.js';
export { type RegistryRejection, registryRejections } from './rejections.js';
export { manifestDigestOf, type VersionArtifacts, versionArtifacts } from '../version-artifacts.js';
