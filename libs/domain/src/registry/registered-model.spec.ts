import type { Actor } from '@kontor/event-sourcing';
import { deciderSpec, metadata } from '@kontor/event-sourcing/testing';
import { describe, expect, it } from 'vitest';
import { manifestDigestOf, type VersionArtifacts } from '../version-artifacts.js';
import type { RegistryEvent, Stage } from './events.js';
import { command, digestOf, modelId, registeredModelData, versionData } from './fixture.js';
import { registeredModel } from './registered-model.js';

const name = 'credit';
const target = { aggregate: 'registered-model', modelId } as const;
const created: RegistryEvent = { type: 'RegisteredModelCreated', data: registeredModelData };
const deleted: RegistryEvent = { type: 'RegisteredModelDeleted', data: { modelId, name } };
const restored: RegistryEvent = { type: 'RegisteredModelRestored', data: { modelId, name } };
const renamed: RegistryEvent = {
  type: 'RegisteredModelRenamed',
  data: { modelId, name: 'pricing', previousName: name },
};
const { filesOf: _, ...asRegistered } = versionData;
const registered = (version: number): RegistryEvent => ({
  type: 'ModelVersionRegistered',
  data: { ...asRegistered, name, version, registeredBy: 'ada' },
});
const aliasSet = (version: number, previousVersion: number | null = null): RegistryEvent => ({
  type: 'AliasSet',
  data: { modelId, name, version, alias: 'champion', previousVersion },
});
const aliasRemoved = (version: number, reason?: string): RegistryEvent => ({
  type: 'AliasRemoved',
  data: { modelId, name, version, alias: 'champion', ...(reason && { reason }) },
});
const aliasProtected: RegistryEvent = { type: 'AliasProtected', data: { modelId, name, alias: 'champion' } };
const aliasFreed: RegistryEvent = { type: 'AliasUnprotected', data: { modelId, name, alias: 'champion' } };
const staged = (version: number, stage: Stage, previousStage: Stage = 'None'): RegistryEvent => ({
  type: 'StageChanged',
  data: { modelId, name, version, stage, previousStage },
});
const versionDeleted = (version: number, stage: Stage = 'None'): RegistryEvent => ({
  type: 'ModelVersionDeleted',
  data: { modelId, name, version, stage },
});
const versionRestored = (version: number): RegistryEvent => ({
  type: 'ModelVersionRestored',
  data: { modelId, name, version },
});
const two = [created, registered(1), registered(2)];

const create = command('CreateRegisteredModel', registeredModelData);
const describeAs = (description: string | null) => command('DescribeRegisteredModel', { modelId, description });
const rename = (previousName: string, to = 'pricing') =>
  command('RenameRegisteredModel', { modelId, name: to, previousName });
/** Versions that the endpoint `credit` of production holds. */
const servedAs = (...versions: number[]) =>
  versions.map((version) => ({ endpoint: 'credit', modelName: name, version }));
const remove = (of = name, served = servedAs()) => command('DeleteRegisteredModel', { modelId, name: of, served });
const restore = (of = name) => command('RestoreRegisteredModel', { modelId, name: of });
const setTag = (value: string) => command('SetRegisteredModelTag', { modelId, key: 'team', value });
const removeTag = command('RemoveRegisteredModelTag', { modelId, key: 'team' });
const setAlias = (version: number, alias = 'champion') => command('SetAlias', { modelId, alias, version });
const removeAlias = command('RemoveAlias', { modelId, alias: 'champion' });
const protect = command('ProtectAlias', { modelId, alias: 'champion' });
const free = command('UnprotectAlias', { modelId, alias: 'champion' });
/** The same by somebody with a role. */
const as = <C extends { readonly metadata: object }>(role: string, sent: C) => ({
  ...sent,
  metadata: metadata({ actor: { id: 'olga', kind: 'person', roles: [role] } }),
});
const kept = (version: number, endpoints: string[], aliases: string[] = [], modelName = name) => ({
  ...{ modelName, version, endpoints, aliases },
});
const register = (artifacts: VersionArtifacts | null = null) =>
  command('RegisterModelVersion', { ...versionData, artifacts });
const changeStage = (version: number, stage: Stage, archiveExistingVersions = false) =>
  command('ChangeStage', { modelId, version, stage, archiveExistingVersions });
const removeVersion = (version: number, served = servedAs()) =>
  command('DeleteModelVersion', { modelId, version, served });
const restoreVersion = (version: number) => command('RestoreModelVersion', { modelId, version });

const writes = [
  ...[describeAs('d'), rename(name), remove(), setTag('fraud'), removeTag, setAlias(1), removeAlias],
  ...[register(), changeStage(1, 'Staging'), removeVersion(1), restoreVersion(1)],
];

const { given } = deciderSpec(registeredModel);

describe('a registered model', () => {
  it('is created once', () => {
    given([]).when(create).then([created]);
    given([created]).when(create).thenRejected('REGISTERED_MODEL_EXISTS', { modelId, name });
    given([created, deleted]).when(create).thenRejected('REGISTERED_MODEL_EXISTS', { modelId, name });
  });

  it('is needed for everything else', () => {
    for (const other of [...writes, restore()]) {
      given([]).when(other).thenRejected('REGISTERED_MODEL_UNKNOWN', { modelId });
    }
  });

  it('takes nothing while it is deleted but to be restored', () => {
    for (const write of writes) {
      given([...two, deleted])
        .when(write)
        .thenRejected('REGISTERED_MODEL_DELETED', { modelId, name });
    }
  });

  it('records a description only when it changes', () => {
    const described: RegistryEvent = {
      type: 'RegisteredModelDescribed',
      data: { modelId, name, description: 'scores', previousDescription: null },
    };
    given([created]).when(describeAs('scores')).then([described]);
    given([created]).when(describeAs(null)).thenNothing();
    given([created, described]).when(describeAs('scores')).thenNothing();
  });

  it('is renamed from the name that it has', () => {
    given([created]).when(rename(name)).then([renamed]);
    given([created]).when(rename(name, name)).thenNothing();
    given([created]).when(rename('pricing')).thenRejected('NAME_MOVED', { modelId, name });
    given([created, renamed]).when(rename(name)).thenRejected('NAME_MOVED', { modelId, name: 'pricing' });
  });

  it('is deleted under the name that it has, and not while a version serves', () => {
    given([created]).when(remove()).then([deleted]);
    given([created, renamed]).when(remove()).thenRejected('NAME_MOVED', { modelId, name: 'pricing' });
    given(two)
      .when(remove(name, servedAs(2)))
      .then([{ type: 'DeletionRefused', data: { target, keptBy: [kept(2, ['credit'])], by: 'ada' } }]);
  });

  it('is restored under the name that it had, with its versions and aliases, and only while it is deleted', () => {
    const gone = [...two, aliasSet(2), deleted];
    given(gone).when(restore()).then([restored]);
    given(gone).when(restore('pricing')).thenRejected('NAME_MOVED', { modelId, name });
    given(two).when(restore()).thenRejected('REGISTERED_MODEL_NOT_DELETED', { modelId, name });
    given([...gone, restored])
      .when(removeAlias)
      .then([aliasRemoved(2)]);
    given([...gone, restored])
      .when(register())
      .then([registered(3)]);
  });

  it('records a tag only when its value changes', () => {
    const set: RegistryEvent = {
      type: 'TagSet',
      data: { target, key: 'team', value: 'fraud', previousValue: 'risk' },
    };
    given([created]).when(setTag('fraud')).then([set]);
    given([created]).when(setTag('risk')).thenNothing();
    given([created, set]).when(setTag('fraud')).thenNothing();
  });

  it('loses only a tag that it has', () => {
    const removed: RegistryEvent = { type: 'TagRemoved', data: { target, key: 'team', previousValue: 'risk' } };
    given([created]).when(removeTag).then([removed]);
    given([created, removed])
      .when(removeTag)
      .thenRejected('TAG_UNKNOWN', { ...target, key: 'team' });
  });
});

describe('an alias', () => {
  it('stands on one version at a time', () => {
    given(two)
      .when(setAlias(1))
      .then([aliasSet(1)]);
    given([...two, aliasSet(1)])
      .when(setAlias(1))
      .thenNothing();
    given([...two, aliasSet(1)])
      .when(setAlias(2))
      .then([aliasSet(2, 1)]);
  });

  it('stands on no version that is deleted or was never there', () => {
    given(two).when(setAlias(3)).thenRejected('VERSION_UNKNOWN', { name, version: 3 });
    given([...two, versionDeleted(2)])
      .when(setAlias(2))
      .thenRejected('VERSION_UNKNOWN', { name, version: 2 });
  });

  it('is no name that versions have by themselves', () => {
    for (const alias of ['latest', 'Latest', 'v1', 'V12']) {
      given(two).when(setAlias(1, alias)).thenRejected('ALIAS_RESERVED', { alias });
    }
    expect(given(two).when(setAlias(1, 'v1-candidate')).events()).toHaveLength(1);
  });

  it('is removed with the version that it stood on, and removing it again changes nothing', () => {
    given([...two, aliasSet(1)])
      .when(removeAlias)
      .then([aliasRemoved(1)]);
    given([...two, aliasSet(1), aliasRemoved(1)])
      .when(removeAlias)
      .thenNothing();
    given(two).when(removeAlias).thenNothing();
  });
});

describe('the registration of a version', () => {
  it('gives the next number, and none twice, those of deleted versions included', () => {
    given([created])
      .when(register())
      .then([registered(1)]);
    given([...two, versionDeleted(2)])
      .when(register())
      .then([registered(3)]);
    const seventh: RegistryEvent = { ...created, data: { ...registeredModelData, firstVersion: 7 } };
    given([seventh])
      .when(register())
      .then([registered(7)]);
  });

  it('is refused when the served file or a digest is not that of its files', () => {
    const files = [
      { path: 'model/model.onnx', sizeBytes: 9, digest: digestOf('a') },
      { path: 'model/golden.json', sizeBytes: 2, digest: digestOf('b') },
    ];
    const servable = { flavor: 'onnx', digest: digestOf('a'), sizeBytes: 9, goldenDigest: digestOf('b') } as const;
    const right = { manifestDigest: manifestDigestOf(files), files, servable };
    expect(given([created]).when(register(right)).events()).toHaveLength(1);
    expect(
      given([created])
        .when(register({ ...right, servable: null }))
        .events(),
    ).toHaveLength(1);
    expect(manifestDigestOf([...files].reverse())).toBe(right.manifestDigest);
    for (const wrong of [
      { ...right, manifestDigest: digestOf('c') },
      { ...right, files: files.slice(1) },
      { ...right, servable: { ...servable, digest: digestOf('b') } },
      { ...right, servable: { ...servable, sizeBytes: 8 } },
      { ...right, servable: { ...servable, goldenDigest: digestOf('a') } },
      { ...right, servable: { ...servable, goldenDigest: null } },
    ]) {
      given([created]).when(register(wrong)).thenRejected('DIGEST_MISMATCH');
    }
  });
});

describe('the stage of a version', () => {
  it('changes for a version that is there, and is recorded once', () => {
    given(two)
      .when(changeStage(1, 'Staging'))
      .then([staged(1, 'Staging')]);
    given([...two, staged(1, 'Staging')])
      .when(changeStage(1, 'Staging'))
      .thenNothing();
    given(two).when(changeStage(3, 'Staging')).thenRejected('VERSION_UNKNOWN', { name, version: 3 });
    given([...two, versionDeleted(2)])
      .when(changeStage(2, 'Staging'))
      .thenRejected('VERSION_UNKNOWN', { name, version: 2 });
  });

  it('archives the others of that stage in the same append when it is asked to', () => {
    const first = [...two, staged(1, 'Production')];
    given(first)
      .when(changeStage(2, 'Production', true))
      .then([staged(2, 'Production'), staged(1, 'Archived', 'Production')]);
    given(first)
      .when(changeStage(2, 'Production'))
      .then([staged(2, 'Production')]);
    given(first)
      .when(changeStage(2, 'Staging', true))
      .then([staged(2, 'Staging')]);
    given([...first, versionDeleted(1, 'Production')])
      .when(changeStage(2, 'Production', true))
      .then([staged(2, 'Production')]);
  });

  it('archives no others unless it is an active one', () => {
    for (const stage of ['None', 'Archived'] as const) {
      given(two)
        .when(changeStage(1, stage, true))
        .thenRejected('ARCHIVE_NEEDS_ACTIVE_STAGE', { stage });
    }
  });
});

describe('a protected alias', () => {
  const held = [...two, aliasSet(1), aliasProtected];
  const refused = (wantedVersion: number | null): RegistryEvent => ({
    type: 'AliasChangeRefused',
    data: { modelId, name, alias: 'champion', heldVersion: 1, wantedVersion, by: 'ada' },
  });

  it('is protected and freed by who may release, set or not', () => {
    for (const role of ['owner', 'admin']) {
      given([created]).when(as(role, protect)).then([aliasProtected]);
      given([created, aliasProtected]).when(as(role, protect)).thenNothing();
      given([created, aliasProtected]).when(as(role, free)).then([aliasFreed]);
      given([created]).when(as(role, free)).thenNothing();
    }
    for (const sent of [protect, free, as('operator', protect)])
      given([created]).when(sent).thenRejected('ALIAS_ROLE_REQUIRED');
    const latest = command('ProtectAlias', { modelId, alias: 'latest' });
    given([created]).when(as('owner', latest)).thenRejected('ALIAS_RESERVED', { alias: 'latest' });
  });

  it('is moved and removed by who may release; who else tries is recorded', () => {
    given(held)
      .when(setAlias(2))
      .then([refused(2)]);
    given(held)
      .when(removeAlias)
      .then([refused(null)]);
    given(held).when(setAlias(1)).thenNothing();
    given(held)
      .when(as('owner', setAlias(2)))
      .then([aliasSet(2, 1)]);
    given(held)
      .when(as('owner', removeAlias))
      .then([aliasRemoved(1)]);
    given([...held, aliasFreed])
      .when(setAlias(2))
      .then([aliasSet(2, 1)]);
  });

  it('keeps its version and its model, from everybody', () => {
    const keptBy = [kept(1, [], ['champion'])];
    const version = { aggregate: 'model-version', modelId, version: 1 } as const;
    for (const [sent, of, by] of [
      [removeVersion(1), version, 'ada'],
      [as('owner', removeVersion(1)), version, 'olga'],
      [remove(), target, 'ada'],
    ] as const) {
      given(held)
        .when(sent)
        .then([{ type: 'DeletionRefused', data: { target: of, keptBy, by } }]);
    }
    given(held)
      .when(removeVersion(2))
      .then([versionDeleted(2)]);
    given([...two, aliasProtected])
      .when(removeVersion(1))
      .then([versionDeleted(1)]);
  });

  it('keeps why it was moved', () => {
    const moved = command('SetAlias', { modelId, alias: 'champion', version: 1, reason: 'better' });
    const data = { modelId, name, version: 1, alias: 'champion', previousVersion: null, reason: 'better' };
    given(two)
      .when(moved)
      .then([{ type: 'AliasSet', data }]);
  });
});

describe('a version', () => {
  it('is deleted with its aliases, unless it serves', () => {
    given([...two, aliasSet(2), staged(2, 'Staging')])
      .when(removeVersion(2))
      .then([aliasRemoved(2, 'Version 2 was deleted.'), versionDeleted(2, 'Staging')]);
    given([...two, aliasSet(2)])
      .when(removeVersion(1))
      .then([versionDeleted(1)]);
    const version = { aggregate: 'model-version', modelId, version: 1 } as const;
    given(two)
      .when(removeVersion(1, servedAs(1, 2)))
      .then([{ type: 'DeletionRefused', data: { target: version, keptBy: [kept(1, ['credit'])], by: 'ada' } }]);
    given(two)
      .when(removeVersion(1, servedAs(2)))
      .then([versionDeleted(1)]);
  });

  it('is in service under each name that its model had', () => {
    const version = { aggregate: 'model-version', modelId, version: 1 } as const;
    const keptBy = [kept(1, ['credit'], [], 'pricing')];
    given([...two, renamed])
      .when(removeVersion(1, servedAs(1)))
      .then([{ type: 'DeletionRefused', data: { target: version, keptBy, by: 'ada' } }]);
  });

  it('is deleted only while it is there', () => {
    given(two).when(removeVersion(3)).thenRejected('VERSION_UNKNOWN', { name, version: 3 });
    given([...two, versionDeleted(2)])
      .when(removeVersion(2))
      .thenRejected('VERSION_UNKNOWN', { name, version: 2 });
  });

  it('is restored in the stage that it had, if it ever was there', () => {
    const gone = [...two, staged(2, 'Staging'), versionDeleted(2, 'Staging')];
    given(gone)
      .when(restoreVersion(2))
      .then([versionRestored(2)]);
    given([...gone, versionRestored(2)])
      .when(restoreVersion(2))
      .thenNothing();
    given([...gone, versionRestored(2)])
      .when(changeStage(2, 'Staging'))
      .thenNothing();
    given(two).when(restoreVersion(1)).thenNothing();
    given(two).when(restoreVersion(3)).thenRejected('VERSION_UNKNOWN', { name, version: 3 });
  });
});

describe('a version that is imported', () => {
  const admin = { id: 'ada', kind: 'person', roles: ['admin'] } as const;
  const importing = (version: number, actor: Actor = admin) => {
    const sent = command('RegisterModelVersion', { ...versionData, version });
    return { ...sent, metadata: { ...sent.metadata, actor } };
  };
  // Numbers 2 to 4 are passed over.
  const gap = [created, registered(1), registered(5)];

  it('keeps its number, and the next one goes on behind it', () => {
    given([created, registered(1)])
      .when(importing(5))
      .then([registered(5)]);
    given(gap)
      .when(register())
      .then([registered(6)]);
  });

  it('has a number above all that were given or passed over', () => {
    for (const version of [1, 3, 5])
      given(gap).when(importing(version)).thenRejected('VERSION_EXISTS', { name, version });
  });

  it('leaves numbers that belong to no version', () => {
    for (const version of [2, 3, 4]) {
      const details = { name, version };
      given(gap).when(setAlias(version)).thenRejected('VERSION_UNKNOWN', details);
      given(gap).when(changeStage(version, 'Staging')).thenRejected('VERSION_UNKNOWN', details);
      given(gap).when(removeVersion(version)).thenRejected('VERSION_UNKNOWN', details);
      given(gap).when(restoreVersion(version)).thenRejected('VERSION_UNKNOWN', details);
    }
    given(gap)
      .when(setAlias(5))
      .then([aliasSet(5)]);
    given([created, registered(3), registered(7)])
      .when(setAlias(2))
      .thenRejected('VERSION_UNKNOWN');
    given([created, registered(3), registered(7)])
      .when(setAlias(6))
      .thenRejected('VERSION_UNKNOWN');
  });

  it('is numbered by an administrator alone', () => {
    const bob: Actor = { id: 'bob', kind: 'person', roles: ['owner'] };
    given([created])
      .when(importing(5, bob))
      .thenRejected('ROLE_REQUIRED', { actor: 'bob', anyOf: ['admin'] });
    given([created])
      .when(importing(5, { id: 'ada', kind: 'local', roles: [] }))
      .then([registered(5)]);
  });
});
