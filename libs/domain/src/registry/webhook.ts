import { type CommandOf, type Decider, reject, unreachable } from '@kontor/event-sourcing';
import type { registryCommands } from './commands.js';
import type { RegistryEvent, WebhookSettings } from './events.js';
import type { RegistryRejection } from './rejections.js';

export type WebhookState =
  { readonly lifecycle: 'None' | 'Deleted' } | { readonly lifecycle: 'Present'; readonly settings: WebhookSettings };

export type WebhookCommand = CommandOf<
  typeof registryCommands,
  'CreateWebhook' | 'ChangeWebhook' | 'DeleteWebhook' | 'RedeliverWebhook' | 'AbandonWebhookDelivery'
>;

/** The registry service, which sends the messages, tells itself that it gave one up. */
const SENDER = 'service:registry';

type Changes = { readonly [Name in keyof WebhookSettings]?: WebhookSettings[Name] | undefined };

/** Of a subscription only the set counts. */
const setOf = (value: unknown): unknown => (Array.isArray(value) ? [...value].sort().join() : value);

/** What differs from the settings, and what was there before. */
const difference = (settings: WebhookSettings, wanted: Changes) => {
  const names = (Object.keys(settings) as (keyof WebhookSettings)[]).filter(
    (name) => wanted[name] !== undefined && setOf(wanted[name]) !== setOf(settings[name]),
  );
  const only = (from: Changes): Changes => Object.fromEntries(names.map((name) => [name, from[name]]));
  return names.length === 0 ? undefined : { changed: only(wanted), previous: only(settings) };
};

/** The rules of one webhook: who is told of what. What was sent is no event, unless it was given up. */
export const webhook: Decider<WebhookState, WebhookCommand, RegistryEvent, RegistryRejection> = {
  initialState: { lifecycle: 'None' },
  decide: (command, state) => {
    const { webhookId } = command.data;
    if (command.type === 'CreateWebhook') {
      if (state.lifecycle !== 'None') return reject('WEBHOOK_EXISTS', { webhookId });
      return [{ type: 'WebhookCreated', data: command.data }];
    }
    if (state.lifecycle !== 'Present') return reject('WEBHOOK_UNKNOWN', { webhookId });
    switch (command.type) {
      case 'ChangeWebhook': {
        const change = difference(state.settings, command.data);
        return change ? [{ type: 'WebhookChanged', data: { webhookId, ...change } }] : [];
      }
      case 'DeleteWebhook':
        return [{ type: 'WebhookDeleted', data: { webhookId } }];
      case 'RedeliverWebhook':
        return [{ type: 'WebhookRedeliveryRequested', data: command.data }];
      case 'AbandonWebhookDelivery': {
        const { actor } = command.metadata;
        if (actor.kind !== 'service' || actor.id !== SENDER) return reject('SENDER_ONLY', { actor: actor.id });
        return [{ type: 'WebhookDeliveryAbandoned', data: command.data }];
      }
      default:
        return unreachable(command);
    }
  },
  evolve: (state, event) => {
    switch (event.type) {
      case 'WebhookCreated': {
        const { webhookId: _, ...settings } = event.data;
        return { lifecycle: 'Present', settings };
      }
      case 'WebhookChanged':
        return state.lifecycle === 'Present'
          ? { lifecycle: 'Present', settings: Object.assign({}, state.settings, event.data.changed) }
          : state;
      case 'WebhookDeleted':
        return { lifecycle: 'Deleted' };
      default:
        return state;
    }
  },
};
