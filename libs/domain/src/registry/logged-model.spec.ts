import { deciderSpec, metadata } from '@kontor/event-sourcing/testing';
import { describe, it } from 'vitest';
import type { RegistryEvent } from './events.js';
import { command, digestOf, file, loggedModelData, loggedModelId, modelId } from './fixture.js';
import { loggedModel, type LoggedModelCommand } from './logged-model.js';

const target = { aggregate: 'logged-model', loggedModelId } as const;
const created: RegistryEvent = { type: 'LoggedModelCreated', data: loggedModelData };
const deleted: RegistryEvent = { type: 'LoggedModelDeleted', data: { loggedModelId } };
const finalized = (status: 'READY' | 'UPLOAD_FAILED', manifestDigest: string | null): RegistryEvent => ({
  type: 'LoggedModelFinalized',
  data: { loggedModelId, status, manifestDigest },
});
const stored: RegistryEvent = {
  type: 'ArtifactStored',
  data: { owner: target, ...file('model.onnx'), previousDigest: null },
};

const create = command('CreateLoggedModel', loggedModelData);
const finalize = (status: 'READY' | 'UPLOAD_FAILED', manifestDigest: string | null = null) =>
  command('FinalizeLoggedModel', { loggedModelId, status, manifestDigest });
const logParams = (...params: { key: string; value: string }[]) =>
  command('LogLoggedModelParams', { loggedModelId, params });
const setTags = (...tags: { key: string; value: string }[]) => command('SetLoggedModelTags', { loggedModelId, tags });
const removeTag = (key: string) => command('RemoveLoggedModelTag', { loggedModelId, key });
const remove = command('DeleteLoggedModel', { loggedModelId, madeInto: [], keptBy: [] });
const store = (char = 'a') =>
  command('RecordLoggedModelArtifact', { loggedModelId, ...file('model.onnx', char), deletedVersions: [] });
const removeFiles = (path: string) =>
  command('RemoveLoggedModelArtifacts', { loggedModelId, path, deletedVersions: [] });
const registeredAs = { modelName: 'credit', version: 1 };
const refuse = command('RefuseLoggedModelArtifactWrite', { loggedModelId, path: 'model.onnx', registeredAs });

const { given } = deciderSpec(loggedModel);

describe('a logged model', () => {
  it('is created once', () => {
    given([]).when(create).then([created]);
    given([created]).when(create).thenRejected('LOGGED_MODEL_EXISTS', { loggedModelId });
    given([created, deleted]).when(create).thenRejected('LOGGED_MODEL_EXISTS', { loggedModelId });
  });

  it('is needed for everything else', () => {
    const data = [finalize('READY'), logParams(), setTags(), removeTag('team'), remove];
    for (const other of [...data, store(), removeFiles('model.onnx'), refuse]) {
      given([]).when(other).thenRejected('LOGGED_MODEL_UNKNOWN', { loggedModelId });
    }
  });

  it('is finalized with the digest of its files, and again when status or digest change', () => {
    const ready = finalized('READY', digestOf('a'));
    given([created])
      .when(finalize('READY', digestOf('a')))
      .then([ready]);
    given([created, ready])
      .when(finalize('READY', digestOf('a')))
      .thenNothing();
    given([created, ready])
      .when(finalize('READY', digestOf('b')))
      .then([finalized('READY', digestOf('b'))]);
    given([created, ready])
      .when(finalize('UPLOAD_FAILED'))
      .then([finalized('UPLOAD_FAILED', null)]);
  });

  it('keeps a param as it was logged first, and records only new ones', () => {
    const depth = { key: 'depth', value: '3' };
    const seed = { key: 'seed', value: '1' };
    const logged: RegistryEvent = { type: 'LoggedModelParamsLogged', data: { loggedModelId, params: [seed] } };
    given([created]).when(logParams(depth, seed)).then([logged]);
    given([created, logged]).when(logParams(depth, seed)).thenNothing();
    given([created, logged])
      .when(logParams({ key: 'new', value: '' }, { key: 'seed', value: '2' }))
      .thenRejected('PARAM_CHANGED', { loggedModelId, changed: [{ key: 'seed', oldValue: '1', newValue: '2' }] });
  });

  it('records the tags whose values change, and of a repeated key the last one', () => {
    const set = { type: 'TagSet', data: { target, key: 'team', value: 'fraud', previousValue: 'risk' } } as const;
    given([created])
      .when(setTags({ key: 'team', value: 'ops' }, { key: 'team', value: 'fraud' }))
      .then([set]);
    given([created, set])
      .when(setTags({ key: 'team', value: 'fraud' }))
      .thenNothing();
  });

  it('loses only a tag that it has', () => {
    const removed = { type: 'TagRemoved', data: { target, key: 'team', previousValue: 'risk' } } as const;
    given([created]).when(removeTag('team')).then([removed]);
    given([created, removed])
      .when(removeTag('team'))
      .thenRejected('TAG_UNKNOWN', { ...target, key: 'team' });
  });

  it('is deleted once, and then takes no file, but still status, params and tags', () => {
    given([created]).when(remove).then([deleted]);
    given([created, deleted]).when(remove).thenNothing();
    given([created, deleted]).when(store()).thenRejected('LOGGED_MODEL_DELETED', { loggedModelId });
    const gone = given([created, deleted]);
    gone.when(finalize('READY')).then([finalized('READY', null)]);
    const params = [{ key: 'seed', value: '1' }];
    gone.when(logParams(...params)).then([{ type: 'LoggedModelParamsLogged', data: { loggedModelId, params } }]);
    gone.when(setTags({ key: 'team', value: 'risk' })).thenNothing();
    gone.when(removeTag('other')).thenRejected('TAG_UNKNOWN');
  });

  it('records a file when its bytes change', () => {
    given([created]).when(store()).then([stored]);
    given([created, stored]).when(store()).thenNothing();
    given([created, stored])
      .when(store('b'))
      .then([
        {
          type: 'ArtifactStored',
          data: { owner: target, ...file('model.onnx', 'b'), previousDigest: digestOf('a') },
        },
      ]);
  });

  it('loses the files that it has, also while it is deleted', () => {
    const files = [{ path: 'model.onnx', digest: digestOf('a') }];
    const removed: RegistryEvent = { type: 'ArtifactRemoved', data: { owner: target, path: 'model.onnx', files } };
    given([created, stored]).when(removeFiles('model.onnx')).then([removed]);
    given([created, stored, deleted]).when(removeFiles('model.onnx')).then([removed]);
    given([created, stored, removed]).when(removeFiles('model.onnx')).thenNothing();
  });

  it('keeps the files below a registered version, and it is recorded who tried to write', () => {
    const refused: RegistryEvent = {
      type: 'ArtifactWriteRefused',
      data: { owner: target, path: 'model.onnx', registeredAs, by: 'ada' },
    };
    given([created, stored]).when(refuse).then([refused]);
    given([created, stored, refused]).when(store()).thenNothing();
  });

  it('keeps the files that became those of a version', () => {
    const version = { path: '', modelId, modelName: 'credit', version: 1 };
    const register: LoggedModelCommand = {
      type: 'RegisterArtifacts',
      data: { loggedModelId, files: [file('model.onnx')], ...version },
      metadata: metadata(),
    };
    const registered: RegistryEvent = { type: 'ArtifactsRegistered', data: { owner: target, ...version } };
    given([created, stored]).when(register).then([registered]);
    given([created]).when(register).thenRejected('ARTIFACTS_CHANGED');
    const data = { owner: target, path: 'model.onnx', registeredAs, by: 'ada' };
    for (const change of [store('b'), removeFiles('model.onnx')])
      given([created, stored, registered])
        .when(change)
        .then([{ type: 'ArtifactWriteRefused', data }]);
  });
});
