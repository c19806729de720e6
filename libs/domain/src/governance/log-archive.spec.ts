import { deciderSpec } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import { governance } from './context.js';
import type { GovernanceEvent } from './events.js';
import { ADMIN, command } from './fixture.js';
import { logArchive } from './log-archive.js';

const range = { firstPosition: '1', lastPosition: '16777216' };
const archive = {
  ...range,
  firstRecordedAt: '2025-01-01T00:00:00.000001Z',
  lastRecordedAt: '2025-06-01T00:00:00.000001Z',
  root: Buffer.alloc(32).toString('base64'),
  manifestDigest: `sha256:${'a'.repeat(64)}`,
};
const { manifestDigest } = archive;
const archived: GovernanceEvent = { type: 'LogArchived', data: { ...archive, by: ADMIN.id } };
const dropped: GovernanceEvent = { type: 'ArchivedLogDropped', data: { ...range, manifestDigest, by: ADMIN.id } };
const { given } = deciderSpec(logArchive);

describe('the archive of a range of the log', () => {
  it('is recorded, and later that the rows are gone, each once', () => {
    given([])
      .when(command('RecordLogArchived', archive, ADMIN))
      .then([archived]);
    given([archived])
      .when(command('RecordLogArchived', archive, ADMIN))
      .thenNothing();
    given([archived])
      .when(command('RecordArchivedLogDropped', range, ADMIN))
      .then([dropped]);
    given([archived, dropped])
      .when(command('RecordArchivedLogDropped', range, ADMIN))
      .thenNothing();
  });

  it('is not recorded by everybody, nor with two manifests, nor as dropped before', () => {
    given([]).when(command('RecordLogArchived', archive)).thenRejected('ROLE_REQUIRED');
    given([archived])
      .when(command('RecordLogArchived', { ...archive, manifestDigest: `sha256:${'b'.repeat(64)}` }, ADMIN))
      .thenRejected('ARCHIVE_DIFFERS', { manifestDigest });
    given([])
      .when(command('RecordArchivedLogDropped', range, ADMIN))
      .thenRejected('ARCHIVE_UNKNOWN', range);
  });

  it('has a stream of its own, named by its positions', () => {
    const route = governance.routes['RecordArchivedLogDropped'];
    expect(route?.stream(command('RecordArchivedLogDropped', range))).toBe('default/governance/log-archive/1-16777216');
  });
});
