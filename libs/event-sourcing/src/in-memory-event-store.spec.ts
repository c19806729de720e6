import { describe, it } from 'vitest';
import { InMemoryEventStore } from './in-memory-event-store.js';
import { eventStoreContract } from './testing/event-store-contract.js';

const NOW = '2025-06-12T12:00:00.000000Z';

describe('InMemoryEventStore', () => {
  let serial = 0;
  const uuid = () => `01975b00-0000-7000-8000-${String(++serial).padStart(12, '0')}`;
  eventStoreContract({
    test: it,
    create: async () => new InMemoryEventStore({ now: () => NOW }),
    uuid,
    nowMs: () => Date.parse(NOW),
  });
});
