import type { KeptVersion, RegistryEvent } from '@kontor/domain/registry';
import { KEY_USED, KEY_USED_MESSAGE } from '../commands/idempotency-key.js';
import { invalid, missing, MlflowError } from './errors.js';

type Details = Readonly<Record<string, unknown>>;

const text = (details: Details, name: string): string => String(details[name] ?? '');

type Deletion = Extract<RegistryEvent, { type: 'DeletionRefused' }>['data'];
type ArtifactWrite = Extract<RegistryEvent, { type: 'ArtifactWriteRefused' }>['data'];
type AliasChange = Extract<RegistryEvent, { type: 'AliasChangeRefused' }>['data'];

const quoted = (items: readonly string[]): string => `'${items.join("', '")}'`;

const holds = ({ endpoints, aliases }: KeptVersion): string =>
  endpoints.length > 0
    ? `serves traffic on endpoint ${quoted(endpoints)}`
    : `is the target of the protected alias ${quoted(aliases)}`;

/** A refusal that the log keeps: what was to be changed, and what is in the way. */
const refusalText = (details: Details, message: string): string => {
  if ('alias' in details) {
    const { alias, name } = details as unknown as AliasChange;
    return `Alias '${alias}' of registered model ${name} is protected: only owner and admin move it.`;
  }
  const { target, keptBy } = details as unknown as Deletion;
  const [kept] = keptBy;
  if (kept === undefined) return message;
  const version = `${kept.modelName}/${kept.version}`;
  switch (target.aggregate) {
    case 'model-version':
      return `Model version ${version} ${holds(kept)} and cannot be deleted.`;
    case 'registered-model':
      return `Registered Model ${kept.modelName} cannot be deleted: its version ${kept.version} ${holds(kept)}.`;
    case 'run':
      return `Run ${target.runId} cannot be deleted: model version ${version}, which was made of it, ${holds(kept)}.`;
    case 'logged-model':
      return `Logged model ${target.loggedModelId} cannot be deleted: model version ${version}, which was made of it, ${holds(kept)}.`;
    case 'experiment':
      return `Experiment ${target.experimentId} cannot be deleted: model version ${version}, which was made of one of its runs, ${holds(kept)}.`;
  }
};

const tooLarge = (field: string, details: Details): MlflowError =>
  invalid(`'${field}' has ${text(details, 'sizeBytes')} bytes as JSON; allowed are ${text(details, 'maxBytes')}.`);

/**
 * A rejection of the registry context in MLflow's words.
 *
 * What MLflow does not know is 409 RESOURCE_CONFLICT, which no client repeats, with Kontor's code beside it.
 *
 * @source MLflow 3.18.0, mlflow/exceptions.py (codes and statuses) and the messages of
 * mlflow/store/tracking/sqlalchemy_store.py and mlflow/store/model_registry/sqlalchemy_store.py.
 */
export const toMlflowError = (code: string, message: string, details: Details): MlflowError => {
  switch (code) {
    case 'EVALUATION_DATASET_UNKNOWN':
      return missing(`Dataset '${text(details, 'datasetId')}' not found.`);
    case 'EXPERIMENT_UNKNOWN':
      return missing(`No Experiment with id=${text(details, 'experimentId')} exists`);
    case 'EXPERIMENT_DELETED':
      return invalid(
        `The experiment ${text(details, 'experimentId')} must be in the 'active' state. Current state is deleted.`,
      );
    case 'EXPERIMENT_NOT_DELETED':
      return missing(`No Experiment with id=${text(details, 'experimentId')} exists`);
    case 'IMPORT_UNKNOWN':
      return missing(`Import with id=${text(details, 'importId')} not found`);
    case 'RUN_UNKNOWN':
      return missing(`Run with id=${text(details, 'runId')} not found`);
    case 'RUN_DELETED':
      return invalid(`The run ${text(details, 'runId')} must be in the 'active' state. Current state is deleted.`);
    case 'MODELS_TAG_FULL':
      return invalid(`'value' exceeds the maximum length of ${text(details, 'maxLength')} characters`);
    case 'MODELS_TAG_UNREADABLE':
      return invalid(message);
    case 'LOGGED_MODEL_UNKNOWN':
    case 'LOGGED_MODEL_DELETED':
      return missing(`Logged model with ID '${text(details, 'loggedModelId')}' not found.`);
    case 'TRACE_UNKNOWN':
    case 'TRACE_DELETED':
      return missing(`Trace with ID '${text(details, 'traceId')}' not found.`);
    case 'ASSESSMENT_UNKNOWN':
      return missing(
        `Assessment with ID '${text(details, 'assessmentId')}' not found for trace '${text(details, 'traceId')}'`,
      );
    case 'ASSESSMENT_EXISTS':
      return new MlflowError(
        'INTERNAL_ERROR',
        `Failed to create assessment for trace '${text(details, 'traceId')}' due to a constraint violation.`,
        { status: 400 },
      );
    case 'ASSESSMENT_TOO_LARGE':
      return tooLarge('assessment', details);
    case 'SCORER_TOO_LARGE':
      return tooLarge('serialized_scorer', details);
    case 'ASSESSMENT_OF_OTHER_KIND': {
      const article = (kind: string) =>
        kind === 'feedback' ? 'a Feedback' : kind === 'expectation' ? 'an Expectation' : 'an Issue';
      return invalid(`Cannot update ${text(details, 'wanted')} value on ${article(text(details, 'kind'))} assessment.`);
    }
    case 'REGISTERED_MODEL_UNKNOWN':
    case 'REGISTERED_MODEL_DELETED':
      return missing(`Registered Model with name=${text(details, 'name')} not found`);
    case 'VERSION_UNKNOWN':
      return missing(`Model Version (name=${text(details, 'name')}, version=${text(details, 'version')}) not found`);
    case 'SCORER_UNKNOWN':
      return missing(
        `Scorer with name '${text(details, 'name')}' not found for experiment ${text(details, 'experimentId')}.`,
      );
    case 'SCORER_VERSION_UNKNOWN':
      return missing(
        `Scorer with name '${text(details, 'name')}' and version ${text(details, 'version')} not found for experiment ${text(details, 'experimentId')}.`,
      );
    case 'WEBHOOK_UNKNOWN':
      return missing(`Webhook with ID ${text(details, 'webhookId')} not found.`);
    case 'WORKSPACE_UNKNOWN':
      return missing(`Workspace '${text(details, 'name')}' not found`);
    case 'WORKSPACE_EXISTS':
      return new MlflowError('RESOURCE_ALREADY_EXISTS', `Workspace '${text(details, 'name')}' already exists.`);
    case 'WORKSPACE_NOT_EMPTY': {
      const [{ what, count }] = details['holds'] as readonly [{ readonly what: string; readonly count: number }];
      return new MlflowError(
        'INVALID_STATE',
        `Cannot delete workspace '${text(details, 'name')}': table '${what}' still contains ${count} resource(s). ` +
          'Remove or reassign them before deleting the workspace.',
      );
    }
    case KEY_USED:
      return new MlflowError('RESOURCE_CONFLICT', KEY_USED_MESSAGE, { rejection: code });
    case 'ROLE_REQUIRED':
      return new MlflowError('PERMISSION_DENIED', message);
    case 'ARCHIVE_NEEDS_ACTIVE_STAGE':
      return new MlflowError(
        'INTERNAL_ERROR',
        `Model version transition cannot archive existing model versions because '${text(details, 'stage')}' is not an Active stage. ` +
          "Valid stages are ['Staging', 'Production']",
        { status: 400 },
      );
    case 'ALIAS_RESERVED': {
      const alias = text(details, 'alias');
      return invalid(
        alias.toLowerCase() === 'latest'
          ? "'latest' alias name (case insensitive) is reserved."
          : `Version alias name '${alias}' is reserved.`,
      );
    }
    case 'ARTIFACT_PATH_TAKEN':
      return invalid(`Invalid path: '${text(details, 'path')}' and '${text(details, 'other')}' cannot both be files.`);
    case 'ARTIFACT_IMMUTABLE': {
      const { modelName, version } = (details as unknown as ArtifactWrite).registeredAs;
      return new MlflowError(
        'RESOURCE_CONFLICT',
        `Artifacts of model version ${modelName}/${version} cannot be changed.`,
        { rejection: code },
      );
    }
    case 'VERSION_IN_USE':
    case 'ALIAS_PROTECTED':
      return new MlflowError('RESOURCE_CONFLICT', refusalText(details, message), { rejection: code });
    default:
      return new MlflowError('RESOURCE_CONFLICT', message, { rejection: code });
  }
};
