import { deciderSpec } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import { registryCommands } from './commands.js';
import type { RegistryEvent } from './events.js';
import { command } from './fixture.js';
import { scorer, scorerIdOf } from './scorer.js';

const of = { experimentId: '1', name: 'relevance' };
const identity = { scorerId: scorerIdOf('default', '1', 'relevance'), ...of };
const onlineScoringConfigId = 'a'.repeat(32);

const registered = (version: number): RegistryEvent => ({
  type: 'ScorerRegistered',
  data: { ...identity, version, serializedScorer: '{}' },
});
const deleted = (versions: number[], versionsLeft: number): RegistryEvent => ({
  type: 'ScorerVersionsDeleted',
  data: { ...identity, versions, versionsLeft },
});
const configured = (sampleRate: number, filterString: string | null = null): RegistryEvent => ({
  type: 'OnlineScoringConfigured',
  data: { ...identity, onlineScoringConfigId, sampleRate, filterString },
});

const register = command('RegisterScorer', { ...of, serializedScorer: '{}' });
const remove = (version: number | null) => command('DeleteScorerVersions', { ...of, version });
const configure = (sampleRate: number, filterString: string | null = null) =>
  command('ConfigureOnlineScoring', { ...of, onlineScoringConfigId, sampleRate, filterString });

const { given } = deciderSpec(scorer);

describe('a scorer', () => {
  it('gets a new version each time, also of the same content, and after deletions', () => {
    given([])
      .when(register)
      .then([registered(1)]);
    given([registered(1)])
      .when(register)
      .then([registered(2)]);
    given([registered(1), registered(2), deleted([2], 1)])
      .when(register)
      .then([registered(3)]);
    given([registered(1), deleted([1], 0)])
      .when(register)
      .then([registered(2)]);
  });

  it('loses one version, or all that are left', () => {
    const three = [registered(1), registered(2), registered(3)];
    given(three)
      .when(remove(2))
      .then([deleted([2], 2)]);
    given([...three, deleted([2], 2)])
      .when(remove(null))
      .then([deleted([1, 3], 0)]);
    given([...three, deleted([2], 2)])
      .when(remove(2))
      .thenRejected('SCORER_VERSION_UNKNOWN', { ...of, version: 2 });
  });

  it('is not kept if its event would be too large', () => {
    // A control character takes six bytes as JSON, and the quotes two.
    const ofBytes = (count: number) => '\u0001'.repeat(33_333) + 'x'.repeat(count - 199_998 - 2);
    const registering = (serializedScorer: string) => command('RegisterScorer', { ...of, serializedScorer });
    given([])
      .when(registering(ofBytes(200_001)))
      .thenRejected('SCORER_TOO_LARGE', { sizeBytes: 200_001, maxBytes: 200_000 });
    const serializedScorer = ofBytes(200_000);
    given([])
      .when(registering(serializedScorer))
      .then([{ type: 'ScorerRegistered', data: { ...identity, version: 1, serializedScorer } }]);
  });

  it('is there as long as it has a version', () => {
    for (const before of [[], [registered(1), deleted([1], 0)]])
      for (const other of [remove(null), remove(1), configure(0)])
        given(before).when(other).thenRejected('SCORER_UNKNOWN', of);
  });

  it('keeps the settings of its automatic evaluation, until it is gone', () => {
    given([registered(1)])
      .when(configure(0.5, "status = 'OK'"))
      .then([configured(0.5, "status = 'OK'")]);
    given([registered(1), configured(0.5)])
      .when(configure(0.5))
      .thenNothing();
    given([registered(1), configured(0.5)])
      .when(configure(0.5, 'x'))
      .then([configured(0.5, 'x')]);
    given([registered(1), configured(0), deleted([1], 0), registered(2)])
      .when(configure(0))
      .then([configured(0)]);
  });

  it('is another one in another experiment or workspace', () => {
    const ids = [
      scorerIdOf('default', '1', 'a'),
      scorerIdOf('default', '2', 'a'),
      scorerIdOf('team-a', '1', 'a'),
      scorerIdOf('default', '1', 'b'),
    ];
    expect(new Set(ids).size).toBe(4);
  });
});

describe('a command about a scorer', () => {
  it.each([
    ['experimentId', { ...of, experimentId: 'x', serializedScorer: '{}' }],
    ['name', { ...of, name: '', serializedScorer: '{}' }],
    ['name', { ...of, name: 'x'.repeat(257), serializedScorer: '{}' }],
    ['serializedScorer', { ...of, serializedScorer: '' }],
    ['serializedScorer', { ...of, serializedScorer: 'x'.repeat(65_536) }],
  ])('with a wrong %s is invalid', (field, data) => {
    expect(registryCommands.RegisterScorer.safeParse(data).error?.issues[0]?.path.join('.')).toBe(field);
  });

  it.each([-0.1, 1.1, NaN])('samples a share of all traces, and not %d', (sampleRate) => {
    const data = { ...of, onlineScoringConfigId, sampleRate, filterString: null };
    expect(registryCommands.ConfigureOnlineScoring.safeParse(data).error?.issues[0]?.path.join('.')).toBe('sampleRate');
  });
});
