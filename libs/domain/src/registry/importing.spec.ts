import type { Actor } from '@kontor/event-sourcing';
import { deciderSpec } from '@kontor/event-sourcing/testing';
import { describe, it } from 'vitest';
import type { RegistryEvent } from './events.js';
import { command } from './fixture.js';
import { importing } from './importing.js';

const importId = '00000000-0000-8000-8000-000000000000';
const source = 'http://mlflow.example:5000';
const startedAt = '2026-06-01T12:00:00.000Z';
const counts = [{ what: 'runs', atSource: 2, here: 2 }];
const admin: Actor = { id: 'ada', kind: 'person', roles: ['admin'] };

const by = <C extends ReturnType<typeof command>>(sent: C, actor: Actor = admin, now = startedAt): C => ({
  ...sent,
  metadata: { ...sent.metadata, actor, now },
});
const start = command('StartImport', { importId, source });
const complete = (here: number) =>
  command('CompleteImport', { importId, counts: [{ what: 'runs', atSource: 2, here }] });

const started = (at = startedAt): RegistryEvent => ({
  type: 'ImportStarted',
  data: { importId, source, startedAt: at },
});
const completed: RegistryEvent = { type: 'ImportCompleted', data: { importId, source, counts } };

const { given } = deciderSpec(importing);

describe('an import', () => {
  it('starts once; the next go is told when that was', () => {
    given([]).when(by(start)).then([started()]);
    given([started()])
      .when(by(start, admin, '2027-06-01T11:59:59.999Z'))
      .thenRejected('IMPORT_STARTED', {
        importId,
        startedAt,
      });
  });

  it('starts anew after a year, before the log forgets the ids of its commands', () => {
    const later = '2027-06-01T12:00:00.000Z';
    given([started()])
      .when(by(start, admin, later))
      .then([started(later)]);
    given([started(), started(later)])
      .when(by(start, admin, later))
      .thenRejected('IMPORT_STARTED');
  });

  it('is complete with what was counted, and again only if that has changed', () => {
    given([started()])
      .when(by(complete(2)))
      .then([completed]);
    given([started(), completed])
      .when(by(complete(2)))
      .thenNothing();
    given([started(), completed])
      .when(by(complete(1)))
      .then([
        { type: 'ImportCompleted', data: { importId, source, counts: [{ what: 'runs', atSource: 2, here: 1 }] } },
      ]);
    given([started(), completed])
      .when(by(command('CompleteImport', { importId, counts: [] })))
      .then([{ type: 'ImportCompleted', data: { importId, source, counts: [] } }]);
    given([])
      .when(by(complete(2)))
      .thenRejected('IMPORT_UNKNOWN', { importId });
  });

  it('is for administrators, and for the local user', () => {
    const person: Actor = { id: 'bob', kind: 'person', roles: ['owner'] };
    given([])
      .when(by(start, person))
      .thenRejected('ROLE_REQUIRED', { actor: 'bob', anyOf: ['admin'] });
    given([started()])
      .when(by(complete(2), person))
      .thenRejected('ROLE_REQUIRED');
    given([])
      .when(by(start, { id: 'local', kind: 'local', roles: [] }))
      .then([started()]);
  });
});
