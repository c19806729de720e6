import type { RegistryEvent, WebhookEvent } from '@kontor/domain/registry';
import { pythonJson, type Value } from './python-json.js';

// Which message an event is, and what is in it. @source MLflow 3.18, `mlflow/webhooks/types.py` and the calls of
// `deliver_webhook` in `mlflow/server/handlers.py` and `mlflow/store/model_registry`.

type Told = Extract<
  RegistryEvent,
  {
    type: 'RegisteredModelCreated' | 'ModelVersionRegistered' | 'TagSet' | 'TagRemoved' | 'AliasSet' | 'AliasRemoved';
  }
>;

/** The events of the log that a webhook event follows from. */
export const LOG_TYPES: Readonly<Record<WebhookEvent, Told['type'] | undefined>> = {
  'registered_model.created': 'RegisteredModelCreated',
  'model_version.created': 'ModelVersionRegistered',
  'model_version_tag.set': 'TagSet',
  'model_version_tag.deleted': 'TagRemoved',
  'model_version_alias.created': 'AliasSet',
  'model_version_alias.deleted': 'AliasRemoved',
  'prompt.created': 'RegisteredModelCreated',
  'prompt_version.created': 'ModelVersionRegistered',
  'prompt_tag.set': 'TagSet',
  'prompt_tag.deleted': 'TagRemoved',
  'prompt_version_tag.set': 'TagSet',
  'prompt_version_tag.deleted': 'TagRemoved',
  'prompt_alias.created': 'AliasSet',
  'prompt_alias.deleted': 'AliasRemoved',
  'budget_policy.exceeded': undefined,
};

const TOLD: readonly (string | undefined)[] = Object.values(LOG_TYPES);

const isTold = (event: RegistryEvent): event is Told => TOLD.includes(event.type);

/** The registered model or prompt that a message is about. */
export interface Model {
  /** When it happened: a later name does not change what is told. */
  readonly name: string;
  readonly isPrompt: boolean;
}

/** The id of the model that an event may tell of; undefined for an event that no webhook is told of. */
export const modelIdIn = (event: RegistryEvent): string | undefined => {
  if (!isTold(event)) return undefined;
  if (!('target' in event.data)) return event.data.modelId;
  return 'modelId' in event.data.target ? event.data.target.modelId : undefined;
};

/** What an event is for webhooks; undefined if nothing, such as a tag of a model that is no prompt. */
export const webhookEventOf = (event: RegistryEvent, { isPrompt }: Model): WebhookEvent | undefined => {
  if (!isTold(event)) return undefined;
  const ofVersion = isPrompt ? 'prompt_version' : 'model_version';
  switch (event.type) {
    case 'RegisteredModelCreated':
      return isPrompt ? 'prompt.created' : 'registered_model.created';
    case 'ModelVersionRegistered':
      return `${ofVersion}.created`;
    case 'TagSet':
    case 'TagRemoved': {
      const action = event.type === 'TagSet' ? 'set' : 'deleted';
      const { aggregate } = event.data.target;
      if (aggregate === 'model-version') return `${ofVersion}_tag.${action}`;
      return aggregate === 'registered-model' && isPrompt ? `prompt_tag.${action}` : undefined;
    }
    case 'AliasSet':
      return isPrompt ? 'prompt_alias.created' : 'model_version_alias.created';
    case 'AliasRemoved':
      return isPrompt ? 'prompt_alias.deleted' : 'model_version_alias.deleted';
  }
};

const PROMPT_TEXT = 'mlflow.prompt.text';
/** Tags that make a model a prompt, and hold what it says: a message shows that in its own fields. */
const PROMPT_TAGS: readonly string[] = ['mlflow.prompt.is_prompt', '_mlflow_prompt_type', PROMPT_TEXT];

type Tag = { readonly key: string; readonly value: string };

const tagsOf = (tags: readonly Tag[], isPrompt: boolean): Value =>
  Object.fromEntries(
    tags.filter(({ key }) => !isPrompt || !PROMPT_TAGS.includes(key)).map(({ key, value }) => [key, value]),
  );

/** The `data` of the message of an event. */
const dataOf = (event: RegistryEvent, { name, isPrompt }: Model): Value => {
  switch (event.type) {
    case 'RegisteredModelCreated':
      return { name, tags: tagsOf(event.data.tags, isPrompt), description: event.data.description ?? '' };
    case 'ModelVersionRegistered': {
      const { version, source, runId, tags, description } = event.data;
      const common = { tags: tagsOf(tags, isPrompt), description: description === '' ? null : description };
      if (!isPrompt) return { name, version: String(version), source, run_id: runId, ...common };
      const template = tags.find(({ key }) => key === PROMPT_TEXT)?.value ?? '';
      return { name, version: String(version), template, ...common };
    }
    case 'TagSet':
    case 'TagRemoved': {
      const { target, key } = event.data;
      return {
        name,
        ...('version' in target && { version: String(target.version) }),
        key,
        ...(event.type === 'TagSet' && { value: event.data.value }),
      };
    }
    case 'AliasSet':
      return { name, alias: event.data.alias, version: String(event.data.version) };
    case 'AliasRemoved':
      return { name, alias: event.data.alias };
    default:
      throw new Error(`no webhook is told of ${event.type}`);
  }
};

/** What is told, and of when. */
export interface Message {
  readonly event: WebhookEvent;
  /** RFC 3339 in UTC, with microseconds. */
  readonly recordedAt: string;
  readonly workspace: string;
  readonly data: Value;
}

export const messageOf = (
  event: RegistryEvent & Pick<Message, 'recordedAt' | 'workspace'>,
  told: WebhookEvent,
  model: Model,
): Message => ({
  event: told,
  recordedAt: event.recordedAt,
  workspace: event.workspace,
  data: dataOf(event, model),
});

/** The body that is sent, signed and sent again: for one message always the same bytes. */
export const bodyOf = ({ event, recordedAt, workspace, data }: Message): string => {
  const [entity = '', action = ''] = event.split('.');
  return pythonJson({ entity, action, timestamp: recordedAt.replace(/Z$/, '+00:00'), data, workspace });
};
