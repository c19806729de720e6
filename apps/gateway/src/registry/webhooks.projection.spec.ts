import type { RegistryEvent } from '@kontor/domain/registry';
import { projectionSpec, recorded } from '@kontor/event-sourcing/testing';
import { describe, it } from 'vitest';
import { webhooks } from './webhooks.projection.js';

describe('webhooks', () => {
  const webhookId = '0197a1b2-0000-7000-8000-000000000001';
  const deliveryId = '0197a1b2-0000-7000-8000-000000000002';
  const stream = `default/registry/webhook/${webhookId}`;
  const created = {
    ...{ webhookId, name: 'to-the-bank', url: 'https://bank.example/hook', description: 'of the bank' },
    ...{ events: ['model_version.created' as const], status: 'ACTIVE' as const, secretVersion: 1 },
  };

  it('keep what no change has named, and are still there when they are deleted', () => {
    const changed = { status: 'DISABLED' as const, secretVersion: 2 };
    const previous = { status: 'ACTIVE' as const, secretVersion: 1 };
    const events = recorded<RegistryEvent>([
      { stream, type: 'WebhookCreated', data: created },
      { stream, type: 'WebhookChanged', data: { webhookId, changed, previous } },
      { stream, type: 'WebhookRedeliveryRequested', data: { webhookId, deliveryId } },
      { stream, type: 'WebhookDeleted', data: { webhookId } },
    ]);
    projectionSpec(webhooks)
      .given(events)
      .thenRows({
        [`default/${webhookId}`]: {
          ...created,
          ...changed,
          deleted: true,
          createdAt: '2026-06-01T12:00:00.000000Z',
          createdBy: 'ada',
          updatedAt: '2026-06-01T12:00:03.000000Z',
        },
      });
  });
});
