export { artifactVariables, refuseUnclearStorage, toArtifactSettings } from './artifact-variables.js';
export { AssertionSigner, signAssertion, Unauthenticated } from './assertion.js';
export { canonicalize, requestHash } from './canonical.js';
export { ConfigError, defineConfig, portVariable, serviceVariables } from './define-config.js';
export { type Cause, derivedId } from './derived-id.js';
export { type DoorConfig, doorVariables, isLoopback, refuseOpenDoor, toDoorConfig } from './door.js';
export { type Problems, startHealthServer } from './health-server.js';
export { keepRunning, type KeepRunningOptions, pause } from './keep-running.js';
export {
  ensureKeyEncryptionKey,
  ensureKeyPair,
  KEY_ENCRYPTION_KEY,
  loadLogKeys,
  loadPrivateKey,
  loadPublicKey,
  LOG_KEY,
  NEXT_LOG_KEY,
} from './keys.js';
export { type Running, runProcess } from './lifecycle.js';
export { refuseForeign } from './local-host.js';
export { createLog, type Log, type LogFields } from './log.js';
export {
  type Answer,
  checkOutgoing,
  OutgoingRefused,
  type OutgoingRules,
  outgoingVariables,
  postOutgoing,
  toOutgoingRules,
} from './outgoing/outgoing.js';
export { openProgress, type Progress } from './progress.js';
export {
  Authenticator,
  DEFAULT_WORKSPACE,
  LOCAL_ACTOR_ID,
  mayCommand,
  mayEnter,
  type Principal,
  signToken,
  TOKEN_ISSUER,
  type TokenSubject,
} from './sign-in.js';
export { type WitnessAddress, witnessVariable } from './witness-variable.js';
