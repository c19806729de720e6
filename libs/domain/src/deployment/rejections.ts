/** Why a command of the deployment context is refused: one sentence for a person per code. */
export const deploymentRejections = {
  ALREADY_STABLE: 'This version already has all the traffic of the endpoint.',
  DIGEST_MISMATCH: 'The files, the served file and the digest of the version do not belong together.',
  ENDPOINT_EXISTS: 'An endpoint with this name exists.',
  ENDPOINT_NOT_STAGING: 'Versions are staged on staging endpoints only; production needs a rollout and its gate.',
  ENDPOINT_SUSPENDED: 'The endpoint is suspended; resume it first.',
  ENDPOINT_UNKNOWN: 'There is no endpoint with this name.',
  GATE_MISMATCH: 'The gate decision is not a pass for this rollout, version and environment.',
  NOTHING_TO_ROLL_BACK_TO: 'No revision that was promoted before is still loaded.',
  REVISION_UNKNOWN: 'The endpoint has no such revision.',
  ROLLOUT_ACTIVE: 'The endpoint has an active rollout; it must end or be aborted first.',
  ROLLOUT_ID_USED: 'A rollout with this id has ended; a retry needs a new id.',
  ROLLOUT_NOT_ACTIVE: 'The rollout has ended.',
  ROLLOUT_NOT_AWAITING_GATE: 'The rollout does not wait for a gate decision.',
  ROLLOUT_NOT_HELD: 'The rollout is not held.',
  ROLLOUT_UNKNOWN: 'The endpoint has no such rollout.',
  ROLE_REQUIRED: 'Sending traffic to a model again needs another role.',
  SERVICE_ONLY: 'Only the platform itself sends this command.',
  STAGING_HAS_NO_ROLLOUTS:
    'A staging endpoint loads every registered version by itself; request the rollout on a production endpoint.',
  STEP_MOVED: 'The measurement belongs to a step that the rollout is not in.',
  SUSPENDED_BY_USE_CASE: 'The use case is suspended; resume that, and the endpoint follows.',
  VERSION_NUMBER_TAKEN: 'The endpoint has another model version with this number; its address would be ambiguous.',
} as const;

export type DeploymentRejection = keyof typeof deploymentRejections;
