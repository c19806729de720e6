export { type EmbeddedConfig, embeddedConfig } from './config.js';
export {
  DataDirectoryInUse,
  type DataDirectoryLock,
  isHeld,
  lockDataDirectory,
  lockHolder,
  type LockHolder,
} from './data-directory-lock.js';
export { ensureDirectory } from './directory.js';
export { checkNats, checkPostgres } from './external-servers.js';
export { freePort, isPortFree } from './free-port.js';
export { hold, leashPid, onLeashReplaced, release } from './leash.js';
export { examineNatsServer, type NatsBinary, resolveNatsServer } from './nats-binary.js';
export { natsAdminUrl, reloadNats, startNats } from './nats.js';
export { createDatabase, startPostgres } from './postgres.js';
export { postgresBinaries } from './postgres-binaries.js';
export { readSuperuser } from './postgres-cluster.js';
export { endProcess, isAlive, processStartedAt } from './process-identity.js';
export { newSecret, readOrCreateSecret } from './secret.js';
export { type Exit, type RunningServer, ServerStartError } from './server-process.js';
export { ServerRefused } from './server-refused.js';
export { SettingRefused } from './setting-refused.js';
export { formatVersion, isAtLeast, parseVersion, type Version } from './version.js';
