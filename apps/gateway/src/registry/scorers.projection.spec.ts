import type { RegistryEvent } from '@kontor/domain/registry';
import { projectionSpec, recorded } from '@kontor/event-sourcing/testing';
import { describe, it } from 'vitest';
import { scorers, scorerVersions } from './scorers.projection.js';

const scorerId = '0197a1b2-0000-8000-8000-000000000001';
const stream = `default/registry/scorer/${scorerId}`;
const of = { scorerId, experimentId: '1', name: 'relevance' };
const onlineScoring = { onlineScoringConfigId: 'a'.repeat(32), sampleRate: 0.5, filterString: null };

const registered = (version: number): { stream: string } & RegistryEvent => ({
  stream,
  type: 'ScorerRegistered',
  data: { ...of, version, serializedScorer: `{"v":${version}}` },
});
const deleted = (versions: number[], versionsLeft: number): { stream: string } & RegistryEvent => ({
  stream,
  type: 'ScorerVersionsDeleted',
  data: { ...of, versions, versionsLeft },
});
const configured = { stream, type: 'OnlineScoringConfigured' as const, data: { ...of, ...onlineScoring } };

describe('scorers', () => {
  it('show the versions that are left', () => {
    projectionSpec(scorers)
      .given(recorded<RegistryEvent>([registered(1), configured, registered(2), registered(3), deleted([2], 2)]))
      .thenRows({ [`default/${scorerId}`]: { ...of, versions: [1, 3], onlineScoring } });
  });

  it('are gone with the last version, and come back without their settings', () => {
    projectionSpec(scorers)
      .given(recorded<RegistryEvent>([registered(1), configured, deleted([1], 0)]))
      .thenRows({});
    projectionSpec(scorers)
      .given(recorded<RegistryEvent>([registered(1), configured, deleted([1], 0), registered(2)]))
      .thenRows({ [`default/${scorerId}`]: { ...of, versions: [2], onlineScoring: null } });
  });
});

describe('versions of scorers', () => {
  it('are there until they are deleted', () => {
    projectionSpec(scorerVersions)
      .given(recorded<RegistryEvent>([registered(1), registered(2), deleted([1], 1)]))
      .thenRows({
        [`default/${scorerId}/2`]: {
          ...of,
          version: 2,
          serializedScorer: '{"v":2}',
          createdAt: '2026-06-01T12:00:01.000000Z',
          createdBy: 'ada',
        },
      });
  });
});
