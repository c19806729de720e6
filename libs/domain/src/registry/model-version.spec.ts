import { deciderSpec } from '@kontor/event-sourcing/testing';
import { describe, it } from 'vitest';
import type { RegistryEvent } from './events.js';
import { command, modelId } from './fixture.js';
import { modelVersion } from './model-version.js';

const one = { modelId, version: 1 };
const target = { aggregate: 'model-version', ...one } as const;

// What the version was registered with stands on another stream; each command brings what the edge knows of it.
const describeAs = (description: string, knownDescription = 'as registered') =>
  command('DescribeModelVersion', { ...one, description, knownDescription });
const setTag = (value: string, knownValue: string | null) =>
  command('SetModelVersionTag', { ...one, key: 'team', value, knownValue });
const removeTag = (knownValue: string | null) => command('RemoveModelVersionTag', { ...one, key: 'team', knownValue });

const { given } = deciderSpec(modelVersion);

describe('the description of a model version', () => {
  const described = (description: string, previousDescription: string): RegistryEvent => ({
    type: 'ModelVersionDescribed',
    data: { ...one, description, previousDescription },
  });

  it('is recorded when it differs from the one that the version was registered with', () => {
    given([]).when(describeAs('as registered')).thenNothing();
    given([])
      .when(describeAs('better'))
      .then([described('better', 'as registered')]);
  });

  it('is compared with the newest one of its own stream, whatever the edge has read', () => {
    const better = described('better', 'as registered');
    given([better]).when(describeAs('better')).thenNothing();
    given([better])
      .when(describeAs('as registered'))
      .then([described('as registered', 'better')]);
    given([described('', 'as registered')])
      .when(describeAs(''))
      .thenNothing();
  });
});

describe('a tag of a model version', () => {
  const set = (value: string, previousValue: string | null): RegistryEvent => ({
    type: 'TagSet',
    data: { target, key: 'team', value, previousValue },
  });
  const removed: RegistryEvent = { type: 'TagRemoved', data: { target, key: 'team', previousValue: 'risk' } };

  it('is set when it differs from the one that the version was registered with', () => {
    given([]).when(setTag('risk', 'risk')).thenNothing();
    given([])
      .when(setTag('fraud', 'risk'))
      .then([set('fraud', 'risk')]);
    given([])
      .when(setTag('risk', null))
      .then([set('risk', null)]);
  });

  it('is removed if the version was registered with it or it was set later', () => {
    given([]).when(removeTag('risk')).then([removed]);
    given([set('risk', null)])
      .when(removeTag(null))
      .then([removed]);
    given([])
      .when(removeTag(null))
      .thenRejected('TAG_UNKNOWN', { ...target, key: 'team' });
  });

  it('is what its own stream says, whatever the edge has read', () => {
    given([set('fraud', 'risk')])
      .when(setTag('fraud', 'risk'))
      .thenNothing();
    given([removed]).when(removeTag('risk')).thenRejected('TAG_UNKNOWN');
    given([removed])
      .when(setTag('risk', 'risk'))
      .then([set('risk', null)]);
  });
});
