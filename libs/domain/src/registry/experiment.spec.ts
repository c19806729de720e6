import { deciderSpec } from '@kontor/event-sourcing/testing';
import { describe, it } from 'vitest';
import type { RegistryEvent } from './events.js';
import { experiment } from './experiment.js';
import { command, experimentData } from './fixture.js';

const experimentId = '1';
const created: RegistryEvent = { type: 'ExperimentCreated', data: experimentData };
const deleted: RegistryEvent = { type: 'ExperimentDeleted', data: { experimentId } };
const restored: RegistryEvent = { type: 'ExperimentRestored', data: { experimentId } };
const renamed: RegistryEvent = {
  type: 'ExperimentRenamed',
  data: { experimentId, name: 'pricing', previousName: 'scoring' },
};
const target = { aggregate: 'experiment', experimentId } as const;

const create = command('CreateExperiment', experimentData);
const rename = (previousName: string, name = 'pricing') =>
  command('RenameExperiment', { experimentId, name, previousName });
const remove = command('DeleteExperiment', { experimentId, madeInto: [], keptBy: [] });
const restore = command('RestoreExperiment', { experimentId });
const setTag = (key: string, value: string) => command('SetExperimentTag', { experimentId, key, value });
const removeTag = (key: string) => command('RemoveExperimentTag', { experimentId, key });

const { given } = deciderSpec(experiment);

describe('an experiment', () => {
  it('is created once', () => {
    given([]).when(create).then([created]);
    given([created]).when(create).thenRejected('EXPERIMENT_EXISTS', { experimentId });
    given([created, deleted]).when(create).thenRejected('EXPERIMENT_EXISTS', { experimentId });
  });

  it('is needed for everything else', () => {
    for (const other of [rename('scoring'), remove, restore, setTag('k', 'v'), removeTag('k')]) {
      given([]).when(other).thenRejected('EXPERIMENT_UNKNOWN', { experimentId });
    }
  });

  it('is renamed from the name that it has', () => {
    given([created]).when(rename('scoring')).then([renamed]);
    given([created]).when(rename('scoring', 'scoring')).thenNothing();
    given([created]).when(rename('pricing')).thenRejected('NAME_MOVED', { experimentId, name: 'scoring' });
    given([created, renamed]).when(rename('scoring')).thenRejected('NAME_MOVED', { experimentId, name: 'pricing' });
  });

  it('is deleted, and then takes nothing but to be restored', () => {
    given([created]).when(remove).then([deleted]);
    for (const other of [rename('scoring'), remove, setTag('k', 'v'), removeTag('team')]) {
      given([created, deleted]).when(other).thenRejected('EXPERIMENT_DELETED', { experimentId });
    }
  });

  it('is restored only while it is deleted, and is then as it was', () => {
    given([created, deleted]).when(restore).then([restored]);
    given([created]).when(restore).thenRejected('EXPERIMENT_NOT_DELETED', { experimentId });
    given([created, deleted, restored]).when(restore).thenRejected('EXPERIMENT_NOT_DELETED', { experimentId });
    given([created, deleted, restored]).when(rename('scoring')).then([renamed]);
    given([created, deleted, restored]).when(setTag('team', 'risk')).thenNothing();
  });

  it('records a tag only when its value changes, with the value before', () => {
    const set = { type: 'TagSet', data: { target, key: 'team', value: 'fraud', previousValue: 'risk' } } as const;
    given([created]).when(setTag('team', 'risk')).thenNothing();
    given([created]).when(setTag('team', 'fraud')).then([set]);
    given([created, set]).when(setTag('team', 'fraud')).thenNothing();
    given([created])
      .when(setTag('new', ''))
      .then([{ type: 'TagSet', data: { target, key: 'new', value: '', previousValue: null } }]);
  });

  it('loses only a tag that it has', () => {
    const removed = { type: 'TagRemoved', data: { target, key: 'team', previousValue: 'risk' } } as const;
    given([created]).when(removeTag('team')).then([removed]);
    given([created, removed])
      .when(removeTag('team'))
      .thenRejected('TAG_UNKNOWN', { ...target, key: 'team' });
    given([created])
      .when(removeTag('__proto__'))
      .thenRejected('TAG_UNKNOWN', { ...target, key: '__proto__' });
  });
});
