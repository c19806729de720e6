/** Why a command of the registry context is refused: one sentence for a person per code. */
export const registryRejections = {
  ALIAS_RESERVED: 'This alias has a meaning of its own: latest, or v with a number.',
  ARCHIVE_NEEDS_ACTIVE_STAGE: 'Other versions can be archived only when a version moves to Staging or Production.',
  DIGEST_MISMATCH: 'The files, the served file and the digest of the version do not belong together.',
  EXPERIMENT_DELETED: 'The experiment is deleted; restore it first.',
  EXPERIMENT_EXISTS: 'An experiment with this id exists.',
  EXPERIMENT_NOT_DELETED: 'The experiment is not deleted.',
  EXPERIMENT_UNKNOWN: 'There is no experiment with this id.',
  LOGGED_MODEL_DELETED: 'The logged model is deleted.',
  LOGGED_MODEL_EXISTS: 'A logged model with this id exists.',
  LOGGED_MODEL_UNKNOWN: 'There is no logged model with this id.',
  NAME_MOVED: 'The name that the command frees is not the present one; read it again.',
  PARAM_CHANGED: 'A param keeps the value that was logged first.',
  PARAM_DUPLICATED: 'A batch may hold a param only once.',
  REGISTERED_MODEL_DELETED: 'The registered model is deleted; restore it first.',
  REGISTERED_MODEL_EXISTS: 'A registered model with this id exists.',
  REGISTERED_MODEL_NOT_DELETED: 'The registered model is not deleted.',
  REGISTERED_MODEL_UNKNOWN: 'There is no registered model with this id.',
  RUN_DELETED: 'The run is deleted; restore it first.',
  RUN_EXISTS: 'A run with this id exists.',
  RUN_NAME_CONFLICT: 'The name and the tag mlflow.runName differ.',
  RUN_UNKNOWN: 'There is no run with this id.',
  TAG_UNKNOWN: 'There is no tag with this key.',
  VERSION_IN_USE: 'The version serves traffic and cannot be deleted.',
  VERSION_UNKNOWN: 'The registered model has no such version, or it is deleted.',
} as const;

export type RegistryRejection = keyof typeof registryRejections;
