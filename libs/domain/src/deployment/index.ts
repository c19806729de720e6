export { type DeploymentCommand, deploymentCommands, type PassedGate } from './commands.js';
export { deployment, endpointStream } from './context.js';
export { deletedVersions, isDeleted } from './deleted-versions.js';
export { endpoint, type Endpoint, type EndpointState } from './endpoint.js';
export {
  type DeploymentEvent,
  deploymentEvents,
  gateReference,
  guardResult,
  strategy,
  type Strategy,
  weights,
} from './events.js';
export { type GuardResult } from './guards.js';
export {
  agrees,
  emptyMeasurement,
  latencyBin,
  latencyQuantileMs,
  revisionMeasurement,
  type RevisionMeasurement,
  scoreBin,
} from './measurement.js';
export { type DeploymentRejection, deploymentRejections } from './rejections.js';
export { type RouteEntry, routeEntry, routeKey } from './route.js';
export { type ActiveStep, activeStepOf, preparingRolloutOf, routeOf } from './route-fold.js';
export { ALL_TRAFFIC_BPS, revisionOfBucket, type Sha256, splitBucket } from './split.js';
export { stagingEndpoint } from './staging-endpoint.js';
