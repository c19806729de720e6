import type { RegistryEvent } from '@kontor/domain/registry';
import type { Projection } from '@kontor/event-sourcing';
import { rowKey } from '../graphql/row-key.js';

type Created = Extract<RegistryEvent, { type: 'WebhookCreated' }>['data'];

export type WebhookRow = Created & {
  readonly deleted: boolean;
  readonly createdAt: string;
  readonly createdBy: string;
  readonly updatedAt: string;
};

/** Webhooks. What is sent to them is in the queue of the registry service, not in the log. */
export const webhooks: Projection<WebhookRow, RegistryEvent> = {
  name: 'webhooks',
  version: 1,
  canHandle: ['WebhookCreated', 'WebhookChanged', 'WebhookDeleted'],
  keys: ({ workspace, data }) => ('webhookId' in data ? [rowKey(workspace, data.webhookId)] : []),
  evolve: (row, event) => {
    const updatedAt = event.recordedAt;
    if (event.type === 'WebhookCreated')
      return { ...event.data, deleted: false, createdAt: updatedAt, createdBy: event.actor, updatedAt };
    if (row === undefined) return undefined;
    switch (event.type) {
      case 'WebhookChanged':
        return Object.assign({}, row, event.data.changed, { updatedAt });
      case 'WebhookDeleted':
        return { ...row, deleted: true, updatedAt };
      default:
        return row;
    }
  },
};
