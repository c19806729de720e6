import type { WebhookEvent } from '@kontor/domain/registry';
import type { Value } from './python-json.js';

const name = 'example_model';
const prompt = 'example_prompt';
const version = '1';
const tags = { example_key: 'example_value' };
const tag = { key: 'example_key', value: 'example_value' };
const key = { key: 'example_key' };
const alias = 'example_alias';

/** The `data` that a test of a webhook sends. @source MLflow 3.18, `mlflow/webhooks/types.py` */
export const EXAMPLES: Readonly<Record<WebhookEvent, Value>> = {
  'registered_model.created': { name, tags, description: 'An example registered model' },
  'model_version.created': {
    ...{ name, version, source: 'models:/123', run_id: 'abcd1234abcd5678', tags },
    description: 'An example model version',
  },
  'model_version_tag.set': { name, version, ...tag },
  'model_version_tag.deleted': { name, version, ...key },
  'model_version_alias.created': { name, alias, version },
  'model_version_alias.deleted': { name, alias },
  'prompt.created': { name: prompt, tags, description: 'An example prompt' },
  'prompt_version.created': {
    ...{ name: prompt, version, template: 'Hello {{name}}!', tags },
    description: 'An example prompt version',
  },
  'prompt_tag.set': { name: prompt, ...tag },
  'prompt_tag.deleted': { name: prompt, ...key },
  'prompt_version_tag.set': { name: prompt, version, ...tag },
  'prompt_version_tag.deleted': { name: prompt, version, ...key },
  'prompt_alias.created': { name: prompt, alias, version },
  'prompt_alias.deleted': { name: prompt, alias },
  'budget_policy.exceeded': {
    ...{ budget_policy_id: 'bp-abc123', budget_unit: 'USD', budget_amount: 100, current_spend: 105.5 },
    ...{ duration_unit: 'MONTHS', duration_value: 1, target_scope: 'ENDPOINT', workspace: 'default' },
    ...{ target_value: 'ep-abc123', window_start: 1_704_067_200_000 },
  },
};
