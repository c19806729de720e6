import { upcasters } from '@kontor/domain/contexts';
import {
  keptVersions,
  type KeptVersion,
  registeredModel,
  registry,
  type RegistryCommand,
  servedVersions,
  type ServedVersion,
  servingEndpoint,
} from '@kontor/domain/registry';
import {
  type Command,
  type EventStore,
  type Guard,
  type RecordedEvent,
  type StreamId,
  streamId,
} from '@kontor/event-sourcing';
import { type PersonalData, readEvent } from '@kontor/event-store';
import type { FindFacts, ReadState, ServiceParts } from '@kontor/service';

interface Parts extends Pick<ServiceParts, 'pool'> {
  readonly store: EventStore;
  readonly personal: Pick<PersonalData, 'open'>;
}

type Data<Type extends RegistryCommand['type']> = Extract<RegistryCommand, { type: Type }>['data'];

const guardOn = (stream: StreamId, version: bigint): Guard => ({ stream, expected: version === 0n ? 'none' : version });

const inRegistry = ({ metadata }: Command, aggregate: string, id: string): StreamId =>
  streamId({ workspace: metadata.workspace, context: 'registry', aggregate, id });

/** Which versions the endpoints of a workspace hold, with a guard on each of them. */
const readServed = async (
  { pool }: Parts,
  { metadata: { workspace } }: Command,
  read: ReadState,
): Promise<{ readonly served: readonly ServedVersion[]; readonly guards: readonly Guard[] }> => {
  const prefix = `${workspace}/deployment/endpoint`;
  // The character after the slash ends the range.
  const { rows } = await pool.query<{ stream: string }>(
    'SELECT stream_id AS stream FROM es.stream WHERE stream_id > $1 AND stream_id < $2',
    [`${prefix}/`, `${prefix}0`],
  );
  const served: ServedVersion[] = [];
  const guards: Guard[] = [];
  for (const { stream } of rows) {
    const { state, version } = await read(stream, servingEndpoint);
    // An endpoint never changes its environment, and staging holds nothing that must stay.
    if (!state?.isProduction) continue;
    served.push(...servedVersions(state));
    guards.push(guardOn(stream, version));
  }
  return { served, guards };
};

/** For the deletion of a model or version: what endpoints hold. */
const findServed =
  (parts: Parts): FindFacts =>
  async (command, read) => {
    const { served, guards } = await readServed(parts, command, read);
    return { data: { served }, guards };
  };

/** For the deletion of what versions were made of: those of them that must stay. */
const findKept =
  (parts: Parts): FindFacts =>
  async (command, read) => {
    const { madeInto } = command.data as Data<'DeleteRun'>;
    if (madeInto.length === 0) return { data: { keptBy: [] } };
    const { served, guards: endpoints } = await readServed(parts, command, read);
    const keptBy: KeptVersion[] = [];
    const guards = [...endpoints];
    for (const { modelId, versions } of madeInto) {
      const stream = inRegistry(command, 'registered-model', modelId);
      const { state, version } = await read(stream, registeredModel);
      if (state.status !== 'Active') continue;
      keptBy.push(...keptVersions(state, served, versions));
      guards.push(guardOn(stream, version));
    }
    return { data: { keptBy }, guards };
  };

/** For undoing: the events of the command that the position belongs to, if it was one of this stream, readable. */
const findUndone =
  (parts: Parts): FindFacts =>
  async (command) => {
    const { pool, store, personal } = parts;
    const stream = registry.routes[command.type]?.stream(command) ?? '';
    const { position } = command.data as Data<'UndoRun'>;
    const named = await readEvent(pool, BigInt(position), upcasters);
    const done = named?.streamId === stream ? await store.findCommand(named.commandId) : undefined;
    const events: Pick<RecordedEvent, 'type' | 'data'>[] = [];
    if (done) {
      const { firstPosition, lastPosition } = done;
      for await (const { type, data, meta, workspace } of store.readAll(firstPosition - 1n, { upTo: lastPosition }))
        events.push({ type, data: meta.encrypted ? await personal.open(workspace, data) : data });
    }
    return { data: { events, taken: await takenNames(parts, stream, events) } };
  };

const NAMED: Readonly<Record<string, { readonly kind: string; readonly field: 'name' | 'previousName' }>> = {
  ExperimentRenamed: { kind: 'experiment', field: 'previousName' },
  RegisteredModelRenamed: { kind: 'registered-model', field: 'previousName' },
  RegisteredModelDeleted: { kind: 'registered-model', field: 'name' },
};

/** The names that undoing takes again and that another stream has now. The append looks once more. */
const takenNames = async (
  { pool }: Parts,
  stream: StreamId,
  events: readonly Pick<RecordedEvent, 'type' | 'data'>[],
): Promise<readonly string[]> => {
  const taken: string[] = [];
  for (const { type, data } of events) {
    const named = NAMED[type];
    if (!named) continue;
    const key = (data as Readonly<Record<string, string>>)[named.field];
    const { rowCount } = await pool.query(
      'SELECT FROM es.claim WHERE workspace = $1 AND kind = $2 AND key = $3 AND stream_id <> $4',
      [stream.split('/', 1)[0], `registry/${named.kind}`, key, stream],
    );
    if (key !== undefined && rowCount === 1) taken.push(key);
  }
  return taken;
};

/** What deletions and undoing rest on beside their own stream, read from the log. */
export const registryFacts = (parts: Parts): Readonly<Record<string, FindFacts>> => ({
  DeleteModelVersion: findServed(parts),
  DeleteRegisteredModel: findServed(parts),
  DeleteRun: findKept(parts),
  DeleteLoggedModel: findKept(parts),
  DeleteExperiment: findKept(parts),
  UndoExperiment: findUndone(parts),
  UndoRun: findUndone(parts),
  UndoLoggedModel: findUndone(parts),
  UndoRegisteredModel: findUndone(parts),
  UndoModelVersion: findUndone(parts),
});
