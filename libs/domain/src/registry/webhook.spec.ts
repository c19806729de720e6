import { deciderSpec } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import { registryCommands } from './commands.js';
import type { RegistryEvent, WebhookSettings } from './events.js';
import { command } from './fixture.js';
import { webhook } from './webhook.js';

const webhookId = '0197a1b2-0000-7000-8000-000000000001';
const deliveryId = '0197a1b2-0000-7000-8000-000000000002';
const eventId = '0197a1b2-0000-7000-8000-000000000003';
const settings: WebhookSettings = {
  name: 'to-the-bank',
  url: 'https://bank.example/hook',
  events: ['model_version.created', 'model_version_alias.created'],
  description: '',
  status: 'ACTIVE',
  secretVersion: 1,
};
const created: RegistryEvent = { type: 'WebhookCreated', data: { webhookId, ...settings } };
const deleted: RegistryEvent = { type: 'WebhookDeleted', data: { webhookId } };

const create = command('CreateWebhook', { webhookId, ...settings });
const change = (wanted: Partial<WebhookSettings>) => command('ChangeWebhook', { webhookId, ...wanted });
const remove = command('DeleteWebhook', { webhookId });
const redeliver = command('RedeliverWebhook', { webhookId, deliveryId });
const abandoned = {
  ...{ webhookId, deliveryId, eventId, event: 'model_version.created' as const },
  ...{ tries: 9, responseStatus: 503, reason: 'the target answered 503' },
};
const abandon = command('AbandonWebhookDelivery', abandoned);
const bySender = {
  ...abandon,
  metadata: { ...abandon.metadata, actor: { id: 'service:registry', kind: 'service' as const, roles: [] } },
};

const { given } = deciderSpec(webhook);

describe('a webhook', () => {
  it('is created once', () => {
    given([]).when(create).then([created]);
    given([created]).when(create).thenRejected('WEBHOOK_EXISTS', { webhookId });
    given([created, deleted]).when(create).thenRejected('WEBHOOK_EXISTS', { webhookId });
  });

  it('is needed for everything else, and gone for good when it is deleted', () => {
    for (const other of [change({ name: 'x' }), remove, redeliver, bySender]) {
      given([]).when(other).thenRejected('WEBHOOK_UNKNOWN', { webhookId });
      given([created, deleted]).when(other).thenRejected('WEBHOOK_UNKNOWN', { webhookId });
    }
    given([created]).when(remove).then([deleted]);
  });

  it('records only what changes, with what was before', () => {
    const changed: RegistryEvent = {
      type: 'WebhookChanged',
      data: {
        webhookId,
        changed: { status: 'DISABLED', secretVersion: 2 },
        previous: { status: 'ACTIVE', secretVersion: 1 },
      },
    };
    given([created])
      .when(change({ ...settings, status: 'DISABLED', secretVersion: 2 }))
      .then([changed]);
    given([created, changed])
      .when(change({ status: 'ACTIVE' }))
      .then([
        {
          type: 'WebhookChanged',
          data: { webhookId, changed: { status: 'ACTIVE' }, previous: { status: 'DISABLED' } },
        },
      ]);
  });

  it('records nothing when nothing changes, in whatever order the events are named', () => {
    given([created]).when(change({})).thenNothing();
    given([created]).when(change(settings)).thenNothing();
    given([created])
      .when(change({ events: [...settings.events].reverse() }))
      .thenNothing();
    given([created])
      .when(change({ events: ['prompt.created'] }))
      .then([
        {
          type: 'WebhookChanged',
          data: { webhookId, changed: { events: ['prompt.created'] }, previous: { events: settings.events } },
        },
      ]);
  });

  it('sends a message again whenever somebody asks', () => {
    const requested: RegistryEvent = { type: 'WebhookRedeliveryRequested', data: { webhookId, deliveryId } };
    given([created]).when(redeliver).then([requested]);
    given([created, requested]).when(redeliver).then([requested]);
  });

  it('gives up a message by the word of the sender alone', () => {
    given([created])
      .when(bySender)
      .then([{ type: 'WebhookDeliveryAbandoned', data: abandoned }]);
    given([created]).when(abandon).thenRejected('SENDER_ONLY', { actor: 'ada' });
  });
});

describe('a command about a webhook', () => {
  const wrong = (wanted: object): string => {
    const { error } = registryCommands.CreateWebhook.safeParse({ webhookId, ...settings, ...wanted });
    return error?.issues[0]?.path.join('.') ?? 'nothing';
  };

  it.each([
    ['webhookId', { webhookId: 'w' }],
    ['name', { name: '' }],
    ['name', { name: '-a' }],
    ['name', { name: 'a b' }],
    ['name', { name: 'x'.repeat(64) }],
    ['url', { url: '' }],
    ['url', { url: `https://a.example/${'x'.repeat(2048)}` }],
    ['events', { events: [] }],
    ['events.0', { events: ['registered_model.deleted'] }],
    ['description', { description: 'x'.repeat(100_001) }],
    ['status', { status: 'PAUSED' }],
    ['secretVersion', { secretVersion: 0 }],
    ['', { secret: 'never here' }],
  ])('with a wrong %s is invalid', (field, wanted) => {
    expect(wrong(wanted)).toBe(field);
  });

  it('may name one of one character', () => {
    expect(wrong({ name: 'a' })).toBe('nothing');
  });
});
