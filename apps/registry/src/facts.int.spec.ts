// Deletions, undoing and their facts on a real log, with the events of another service in it.
import { upcasters } from '@kontor/domain/contexts';
import { manifestDigestOf, registry, type RegistryEvent } from '@kontor/domain/registry';
import type { Actor, AppendRequest, DomainEvent, EventStore } from '@kontor/event-sourcing';
import { plainData } from '@kontor/event-sourcing/testing';
import {
  createEventStore,
  createPool,
  LOGIN_ROLES,
  type PostgresEventStore,
  prepareDatabase,
} from '@kontor/event-store';
import { Dispatch, DispatchHandler } from '@kontor/service';
import { testDatabase, type TestDatabase, uuidv7 } from '@kontor/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registryFacts } from './facts.js';

const PASSWORDS = Object.fromEntries(LOGIN_ROLES.map((role) => [role, 'kontor-test']));
const ADA: Actor = { id: 'ada', kind: 'person', roles: ['data-scientist'] };
const OLGA: Actor = { id: 'olga', kind: 'person', roles: ['owner'] };

let database: TestDatabase;
let pool: ReturnType<typeof createPool>;
let store: PostgresEventStore;
let deployment: PostgresEventStore;
/** Runs once, right before the next append of the registry: another writer that comes first. */
let meanwhile: (() => Promise<void>) | undefined;
let handler: DispatchHandler;
/** Another process of the registry. */
let other: DispatchHandler;

beforeAll(async () => {
  database = await testDatabase();
  const prepared = await prepareDatabase({
    adminUrl: database.url,
    database: new URL(database.url).pathname.slice(1),
    passwords: PASSWORDS,
    origin: 'kontor.test/facts',
  });
  pool = createPool({ connectionString: prepared.urlFor('kontor_registry') });
  store = createEventStore(pool, { upcasters });
  deployment = createEventStore({ connectionString: prepared.urlFor('kontor_deployment') }, { upcasters });
  const raced: EventStore = {
    ...store,
    append: async (request: AppendRequest) => {
      const first = meanwhile;
      meanwhile = undefined;
      await first?.();
      return store.append(request);
    },
  };
  const personal = plainData();
  const log = { info: () => undefined, error: () => undefined };
  const facts = registryFacts({ pool, store, personal });
  handler = new DispatchHandler(registry, { store: raced, personal, log, facts });
  other = new DispatchHandler(registry, { store, personal: plainData(), log, facts });
});
afterAll(async () => {
  await deployment.close();
  await store.close();
  await pool.end();
  await database.drop();
});

const send = (type: string, data: object, { actor = ADA, dryRun = false, workspace = 'default', by = handler } = {}) =>
  by.execute(
    new Dispatch({
      type,
      data,
      dryRun,
      wantsEvents: true,
      metadata: { commandId: uuidv7(), workspace, actor, now: new Date().toISOString(), correlationId: uuidv7() },
    }),
  );

/** @returns what was recorded, and the position of its last event. */
const done = async (type: string, data: object, actor = ADA) => {
  const reply = await send(type, data, { actor });
  if (reply.outcome !== 'accepted') throw new Error(`${type}: ${JSON.stringify(reply)}`);
  return { position: reply.position, types: (reply.events ?? []).map((event) => event.type) };
};

const deploy = async (endpoint: string, ...events: readonly DomainEvent[]): Promise<void> => {
  await deployment.append({
    commandId: uuidv7(),
    requestHash: new Uint8Array(32),
    actor: 'service:deployment',
    writes: [
      {
        stream: `default/deployment/endpoint/${endpoint}`,
        expected: 'any',
        events: events.map(({ type, data }) => ({
          ...{ eventId: uuidv7(), type, schemaVersion: 1, data },
          meta: { correlationId: uuidv7(), actorKind: 'service' as const },
        })),
      },
    ],
  });
};

const rolloutId = uuidv7();
const versionRef = (modelName: string, version: number) => ({
  ...{ modelName, version },
  manifestDigest: `sha256:${'a'.repeat(64)}`,
});
const created = (endpoint: string, environment = 'production'): DomainEvent => ({
  type: 'EndpointCreated',
  data: { endpoint, environment, description: '' },
});
const started = (endpoint: string, modelName: string, version: number): DomainEvent => ({
  type: 'RolloutStarted',
  data: { rolloutId, endpoint, version: versionRef(modelName, version), gate: { gateId: rolloutId, restsOn: [] } },
});
const aborted = (endpoint: string): DomainEvent => ({
  type: 'RolloutAborted',
  data: { rolloutId, endpoint, reason: 'r', by: null },
});

let models = 0;
/** A model with two versions, the first made of a run. */
const model = async () => {
  models += 1;
  const modelId = String(models).padStart(32, '0');
  const [name, runId] = [`model ${models}`, `run${models}`];
  const base = { modelId, name, description: null, tags: [], isPrompt: false, firstVersion: 1 };
  await done('CreateRegisteredModel', base);
  const version = {
    ...{ modelId, source: 's3://b/m', storageLocation: 's3://b/m', loggedModelId: null, runLink: '' },
    ...{ description: '', tags: [], artifacts: null, trainedBy: null },
  };
  await done('RegisterModelVersion', { ...version, runId });
  await done('RegisterModelVersion', { ...version, runId: null });
  const run = { runId, experimentId: '1', name: 'r', userId: '', startTimeMs: 1, artifactUri: 'x:/y', tags: [] };
  await done('StartRun', run);
  return { modelId, name, runId };
};

const typesOf = async (stream: string): Promise<string[]> => {
  const types: string[] = [];
  for await (const { type } of store.readStream(stream)) types.push(type);
  return types;
};

describe('what serves', () => {
  it('is not deleted, nor is what it was made of; who tried is recorded; and it is again when it serves no more', async () => {
    const { modelId, name, runId } = await model();
    await deploy('scoring-eu', created('scoring-eu'), started('scoring-eu', name, 1));
    const keptBy = [{ modelName: name, version: 1, endpoints: ['scoring-eu'], aliases: [] }];
    const madeInto = [{ modelId, versions: [1] }];
    for (const [type, data, target] of [
      ['DeleteModelVersion', { modelId, version: 1 }, { aggregate: 'model-version', modelId, version: 1 }],
      ['DeleteRegisteredModel', { modelId, name }, { aggregate: 'registered-model', modelId }],
      ['DeleteRun', { runId, madeInto }, { aggregate: 'run', runId }],
    ] as const) {
      const reply = await send(type, data);
      expect(reply, type).toMatchObject({ outcome: 'rejected', code: 'VERSION_IN_USE', details: { target, keptBy } });
    }
    expect((await typesOf(`default/registry/run/${runId}`)).at(-1)).toBe('DeletionRefused');
    // The other version is free, and so is everything else of this one.
    expect((await done('DeleteModelVersion', { modelId, version: 2 })).types).toEqual(['ModelVersionDeleted']);
    await done('SetAlias', { modelId, alias: 'champion', version: 1 });
    await deploy('scoring-eu', aborted('scoring-eu'));
    expect((await done('DeleteRun', { runId, madeInto })).types).toEqual(['RunDeleted']);
    expect((await done('DeleteModelVersion', { modelId, version: 1 })).types).toEqual([
      'AliasRemoved',
      'ModelVersionDeleted',
    ]);
  });

  it('is known by each name that its model had, in this workspace alone, and not in staging', async () => {
    const { modelId, name } = await model();
    await deploy('renamed', created('renamed'), started('renamed', name, 1));
    await deploy('renamed-staging', created('renamed-staging', 'staging'), started('renamed-staging', name, 2));
    await done('RenameRegisteredModel', { modelId, name: `${name} b`, previousName: name });
    expect(await send('DeleteModelVersion', { modelId, version: 1 })).toMatchObject({ code: 'VERSION_IN_USE' });
    expect((await done('DeleteModelVersion', { modelId, version: 2 })).types).toEqual(['ModelVersionDeleted']);
  });

  it('counts whatever a sender says about it', async () => {
    const { modelId, name, runId } = await model();
    const served = [{ endpoint: 'nowhere', modelName: name, version: 1 }];
    expect((await done('DeleteModelVersion', { modelId, version: 1, served })).types).toEqual(['ModelVersionDeleted']);
    const keptBy = [{ modelName: name, version: 1, endpoints: ['nowhere'], aliases: [] }];
    expect((await done('DeleteRun', { runId, keptBy })).types).toEqual(['RunDeleted']);
  });

  it('wins the race: a rollout that starts between the look and the deletion keeps its version', async () => {
    const { modelId, name, runId } = await model();
    await deploy('racing', created('racing'));
    for (const [type, data] of [
      ['DeleteModelVersion', { modelId, version: 1 }],
      ['DeleteRegisteredModel', { modelId, name }],
      ['DeleteRun', { runId, madeInto: [{ modelId, versions: [1] }] }],
    ] as const) {
      meanwhile = () => deploy('racing', started('racing', name, 1));
      expect(await send(type, data), type).toMatchObject({ outcome: 'rejected', code: 'VERSION_IN_USE' });
      await deploy('racing', aborted('racing'));
    }
    expect(await typesOf(`default/registry/registered-model/${modelId}`)).not.toContain('ModelVersionDeleted');
  });

  it('an alias that is protected between the look and the deletion of a run keeps the run', async () => {
    const { modelId, runId } = await model();
    await done('SetAlias', { modelId, alias: 'champion', version: 1 });
    meanwhile = async () => void (await done('ProtectAlias', { modelId, alias: 'champion' }, OLGA));
    expect(await send('DeleteRun', { runId, madeInto: [{ modelId, versions: [1] }] })).toMatchObject({
      code: 'ALIAS_PROTECTED',
      details: { keptBy: [{ version: 1, endpoints: [], aliases: ['champion'] }] },
    });
  });
});

describe('the files of a version', () => {
  const runId = 'files';
  const loggedModelId = `m-${'a'.repeat(32)}`;
  const file = (path: string, n = 1) => ({ path, digest: `sha256:${String(n).padStart(64, '0')}`, sizeBytes: 1 });
  const register = (modelId: string, filesOf: object, files: readonly ReturnType<typeof file>[] = []) =>
    [
      'RegisterModelVersion',
      {
        ...{ modelId, source: 'x:/y', storageLocation: 'x:/y', runId: null, loggedModelId: null, runLink: '', filesOf },
        ...{ description: '', tags: [], trainedBy: null },
        artifacts: { manifestDigest: manifestDigestOf([...files]), files, servable: null },
      },
    ] as const;

  beforeAll(async () => {
    const base = { experimentId: '1', name: 'r', artifactUri: 'x:/y', tags: [] };
    await done('StartRun', { ...base, runId, userId: '', startTimeMs: 1 });
    await done('CreateLoggedModel', { ...base, loggedModelId, modelType: '', sourceRunId: null, params: [] });
  });

  it.each([
    ['Run', { aggregate: 'run', runId }],
    ['LoggedModel', { aggregate: 'logged-model', loggedModelId }],
  ] as const)('of a %s are those of its manifest, whatever comes between', async (type, { aggregate, ...id }) => {
    const { modelId, name } = await model();
    const owner = { aggregate, ...id };
    const changes = [
      { version: 3, type: `Record${type}Artifact`, data: { ...id, ...file('3/a', 2) } },
      { version: 4, type: `Remove${type}Artifacts`, data: { ...id, path: '4/a' } },
      { version: 5, type: `Remove${type}Artifacts`, data: { ...id, path: '5' } },
    ];
    for (const { version, ...change } of changes) {
      const folder = String(version);
      const stored = [`Record${type}Artifact`, { ...id, ...file(`${folder}/a`) }] as const;
      const registered = register(modelId, { ...owner, path: folder }, [file('a')]);
      await done(...stored);
      const head = await store.head();
      meanwhile = async () => void (await send(change.type, change.data, { by: other }));
      expect(await send(...registered)).toMatchObject({ code: 'ARTIFACTS_CHANGED', details: { owner, path: folder } });
      expect(await store.head(), 'only the change').toBe(head + 1n);

      await done(...stored);
      meanwhile = async () => void (await send(...registered, { by: other }));
      expect(await send(change.type, change.data)).toMatchObject({
        code: 'ARTIFACT_IMMUTABLE',
        details: { path: change.data.path, registeredAs: { modelName: name, version } },
      });
      const types = await typesOf(`default/registry/${aggregate}/${Object.values(id).join()}`);
      expect(types.slice(-3)).toEqual(['ArtifactStored', 'ArtifactsRegistered', 'ArtifactWriteRefused']);
    }
  });

  it('may change again when it is deleted', async () => {
    const { modelId } = await model();
    const remove = { runId, path: 'gone' };
    await done('RecordRunArtifact', { runId, ...file('gone/a') });
    await done(...register(modelId, { aggregate: 'run', runId, path: 'gone' }, [file('a')]));
    await done('DeleteModelVersion', { modelId, version: 3 });
    expect(await send('RemoveRunArtifacts', remove)).toMatchObject({ code: 'ARTIFACT_IMMUTABLE' });
    const deletedVersions = [{ modelId, version: 3 }];
    expect((await done('RemoveRunArtifacts', { ...remove, deletedVersions })).types).toEqual(['ArtifactRemoved']);
  });

  it('are noted in the append that registers it, whose answer is the same when it comes again', async () => {
    const { modelId } = await model();
    const [type, data] = register(modelId, { aggregate: 'run', runId, path: 'none' });
    const now = new Date().toISOString();
    const metadata = { commandId: uuidv7(), workspace: 'default', actor: ADA, now, correlationId: uuidv7() };
    const twice = new Dispatch({ type, data, wantsEvents: true, metadata });
    const head = await store.head();
    const first = await handler.execute(twice);
    expect(first).toMatchObject({
      position: String(head + 2n),
      version: '4',
      events: [{ type: 'ArtifactsRegistered' }, { type: 'ModelVersionRegistered' }],
    });
    expect(await handler.execute(twice)).toEqual(first);
    expect(await other.execute(twice)).toEqual(first);
    expect(await store.head()).toBe(head + 2n);
  });

  it('are registered while its run logs as fast as it can', async () => {
    const { modelId } = await model();
    const tags = (n: number) => ({ runId, metrics: [], params: [], tags: [{ key: 'step', value: String(n) }] });
    const sent = Array.from({ length: 200 }, (_, n) =>
      n % 20 === 0
        ? done(...register(modelId, { aggregate: 'run', runId, path: `fast${n}` }))
        : done('LogRunData', tags(n)),
    );
    expect(
      (await Promise.all(sent)).flatMap(({ types }) => types).filter((type) => type === 'ModelVersionRegistered'),
    ).toEqual(Array.from({ length: 10 }, () => 'ModelVersionRegistered'));
  });
});

describe('a refusal that is recorded', () => {
  it('is the same answer when the command comes again, and is recorded once', async () => {
    const { modelId } = await model();
    await done('SetAlias', { modelId, alias: 'champion', version: 1 });
    await done('ProtectAlias', { modelId, alias: 'champion' }, OLGA);
    const now = new Date().toISOString();
    const metadata = { commandId: uuidv7(), workspace: 'default', actor: ADA, now, correlationId: uuidv7() };
    const twice = new Dispatch({ type: 'SetAlias', data: { modelId, alias: 'champion', version: 2 }, metadata });
    const first = await handler.execute(twice);
    expect(first).toMatchObject({ outcome: 'rejected', code: 'ALIAS_PROTECTED' });
    expect(await handler.execute(twice)).toEqual(first);
    const types = await typesOf(`default/registry/registered-model/${modelId}`);
    expect(types.filter((type) => type === 'AliasChangeRefused')).toHaveLength(1);
  });
});

describe('undoing', () => {
  it('brings a version back with its aliases, and a model under its name', async () => {
    const { modelId, name } = await model();
    for (const alias of ['champion', 'next']) await done('SetAlias', { modelId, alias, version: 1 });
    const { position } = await done('DeleteModelVersion', { modelId, version: 1 });
    const preview = await send('UndoRegisteredModel', { modelId, position }, { dryRun: true });
    const head = await store.head();
    const undo = await send('UndoRegisteredModel', { modelId, position });
    const typesIn = ({ events = [] }: { events?: readonly { type: string }[] }) => events.map(({ type }) => type);
    expect(preview).toMatchObject({ outcome: 'accepted', eventIds: [] });
    expect(typesIn(undo as object)).toEqual(['ModelVersionRestored', 'AliasSet', 'AliasSet']);
    expect(typesIn(preview as object)).toEqual(typesIn(undo as object));
    expect(await store.head()).toBe(head + 3n);

    const gone = await done('DeleteRegisteredModel', { modelId, name });
    const other = await model();
    await done('RenameRegisteredModel', { modelId: other.modelId, name, previousName: other.name });
    for (const dryRun of [true, false]) {
      expect(await send('UndoRegisteredModel', { modelId, position: gone.position }, { dryRun })).toMatchObject({
        code: 'UNDO_CONFLICT',
        details: { problems: [{ reason: `something else has the name "${name}" now` }] },
      });
    }
    await done('RenameRegisteredModel', { modelId: other.modelId, name: other.name, previousName: name });
    expect((await done('UndoRegisteredModel', { modelId, position: gone.position })).types).toEqual([
      'RegisteredModelRestored',
    ]);
    expect(await send('CreateRegisteredModel', { ...base(name), modelId: 'f'.repeat(32) })).toMatchObject({
      code: 'NAME_TAKEN',
    });
  });

  it('frees the name that a rename took', async () => {
    const { modelId, name } = await model();
    const renamed = await done('RenameRegisteredModel', { modelId, name: `${name} b`, previousName: name });
    await done('UndoRegisteredModel', { modelId, position: renamed.position });
    expect((await done('CreateRegisteredModel', { ...base(`${name} b`), modelId: 'e'.repeat(32) })).types).toEqual([
      'RegisteredModelCreated',
    ]);
  });

  it('loses to what comes first: nothing that is newer is overwritten', async () => {
    const { modelId } = await model();
    const { position } = await done('SetAlias', { modelId, alias: 'champion', version: 1 });
    meanwhile = async () => void (await moveElsewhere(modelId));
    expect(await send('UndoRegisteredModel', { modelId, position })).toMatchObject({
      code: 'UNDO_CONFLICT',
      details: { problems: [{ type: 'AliasSet', reason: 'the alias "champion" was changed since' }] },
    });
  });

  it('takes no event of another stream, workspace or future for its own', async () => {
    const [one, other] = [await model(), await model()];
    const { position } = await done('SetAlias', { modelId: one.modelId, alias: 'champion', version: 1 });
    for (const reply of [
      send('UndoRegisteredModel', { modelId: other.modelId, position }),
      send('UndoRegisteredModel', { modelId: other.modelId, position: '999999999' }),
    ]) {
      expect(await reply).toMatchObject({ outcome: 'rejected', code: 'NOTHING_TO_UNDO' });
    }
    expect(await send('UndoRegisteredModel', { modelId: one.modelId, position }, { workspace: 'lab' })).toMatchObject({
      code: 'REGISTERED_MODEL_UNKNOWN',
    });
    // Nor what a sender says that has happened.
    const data = { ...other, version: 1, alias: 'x', previousVersion: null };
    const events: RegistryEvent[] = [{ type: 'AliasSet', data }];
    expect(await send('UndoRegisteredModel', { modelId: other.modelId, position: '1', events })).toMatchObject({
      code: 'NOTHING_TO_UNDO',
    });
  });
});

const base = (name: string) => ({ name, description: null, tags: [], isPrompt: false, firstVersion: 1 });

/** As another process of the registry would: it appends by itself. */
const moveElsewhere = async (modelId: string): Promise<void> => {
  const stream = `default/registry/registered-model/${modelId}`;
  const data = { modelId, name: 'x', version: 2, alias: 'champion', previousVersion: 1 };
  await store.append({
    commandId: uuidv7(),
    requestHash: new Uint8Array(32),
    actor: 'bob',
    writes: [
      {
        stream,
        expected: 'any',
        events: [
          {
            ...{ eventId: uuidv7(), type: 'AliasSet', schemaVersion: 1, data },
            meta: { correlationId: uuidv7(), actorKind: 'person' },
          },
        ],
      },
    ],
  });
};
