export { type RegistryCommand, registryCommands, RESERVED_WORKSPACES } from './commands.js';
export { registry } from './context.js';
export {
  type ArtifactOwner,
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
export { type RegistryRejection, registryRejections } from './rejections.js';
export { mayAdminister } from './workspace.js';
export { manifestDigestOf, type VersionArtifacts, versionArtifacts } from '../version-artifacts.js';
