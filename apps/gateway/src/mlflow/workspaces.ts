import { mayAdminister } from '@kontor/event-sourcing';
import { DEFAULT_WORKSPACE, mayEnter } from '@kontor/service/process';
import { endpointEntity } from '../deployment/deployment.entities.js';
import { useCaseEntity } from '../governance/governance.entities.js';
import type { Entity } from '../graphql/entity.js';
import {
  artifactEntity,
  evaluationDatasetEntity,
  experimentEntity,
  loggedModelEntity,
  registeredModelEntity,
  runEntity,
  traceEntity,
  webhookEntity,
  workspaceEntity,
} from '../registry/registry.entities.js';
import type { WorkspaceRow } from '../registry/workspaces.projection.js';
import type { MlflowCall } from './call.js';
import { inMlflowsWords } from './outcomes.js';
import { endpoint, type Endpoint } from './endpoint.js';
import { noWorkspace } from './enter-workspace.js';
import { invalid, MlflowError } from './errors.js';
import { checkLocation, ensureDefaultExperiment, experimentById } from './experiments.js';
import { type Message, message, required, string } from './message.js';
import { atMost, checkedWorkspaceName, DESCRIPTION_LIMIT } from './names.js';
import type { RowQuery } from './row-query.js';

/** Far more than an installation has. */
const MAX_WORKSPACES = 10_000;

type Workspace = Pick<WorkspaceRow, 'name' | 'description' | 'defaultArtifactRoot'>;

/** What the default workspace is before anybody changed it. */
const UNCHANGED: Workspace = { name: DEFAULT_WORKSPACE, description: '', defaultArtifactRoot: null };

const workspaceJson = ({ name, description, defaultArtifactRoot }: Workspace): object => ({
  name,
  ...(description !== '' && { description }),
  ...(defaultArtifactRoot !== null && { default_artifact_root: defaultArtifactRoot }),
});

/** The rows of all workspaces are in this one. */
const directory = (call: MlflowCall): Promise<RowQuery> => call.inWorkspace(DEFAULT_WORKSPACE).rows();

/** Whoever may make workspaces sees all of them, everybody else those of the token. */
const sees = ({ principal }: MlflowCall, name: string): boolean =>
  mayEnter(principal, name) || (mayEnter(principal, DEFAULT_WORKSPACE) && mayAdminister(principal.actor));

/** @throws MlflowError for one that does not exist, or that the caller may not see. */
const workspaceByName = async (call: MlflowCall, name: string): Promise<Workspace> => {
  checkedWorkspaceName(name);
  const row = sees(call, name) ? await (await directory(call)).byId(workspaceEntity, name) : undefined;
  if (row && !row.deleted) return row;
  if (!row && name === DEFAULT_WORKSPACE && sees(call, name)) return UNCHANGED;
  throw noWorkspace(name);
};

/** @throws MlflowError 403 for a token that is not of the default workspace, and as {@link MlflowCall.send} does. */
const administer = async (call: MlflowCall, type: string, data: object): Promise<void> => {
  if (!mayEnter(call.principal, DEFAULT_WORKSPACE)) {
    throw new MlflowError('PERMISSION_DENIED', 'Workspaces are made, changed and deleted from the workspace default.');
  }
  await call.inWorkspace(DEFAULT_WORKSPACE).send(type, data);
};

/** Undefined as it is, null for the platform's own root. @throws MlflowError for a root that no file could be below. */
const checkedRoot = (name: string, root: string | undefined): string | null | undefined => {
  const trimmed = root?.trim();
  if (!trimmed) return trimmed === '' ? null : undefined;
  checkLocation(name, trimmed, 'default_artifact_root');
  if (/^(?:[a-z][a-z0-9+.-]+:|\/)/i.test(trimmed)) return trimmed;
  throw invalid(
    "Invalid value for 'default_artifact_root'. Expected a URI (for example 's3://bucket/prefix' or " +
      `'mlflow-artifacts:/prefix') or an absolute path, got '${trimmed}'.`,
  );
};

const settings = {
  description: string,
  default_artifact_root: string,
  trace_archival_config: message({ location: string, retention: string }),
} as const;

type Archival = Message<(typeof settings)['trace_archival_config']['fields']> | undefined;

/** @throws MlflowError for what Kontor does not do: no setting is taken and ignored. */
const refuseArchival = (config: Archival): void => {
  if (config?.location || config?.retention)
    throw invalid("'trace_archival_config' is not supported: this server archives no traces (trace_archival_enabled).");
};

const count = <Row extends object>(rows: RowQuery, entity: Entity<Row>, condition = 'true'): Promise<number> =>
  rows.count(entity, rows.conditions().add(condition));

/** What is in a workspace, by MLflow's names. Its own experiment 0 is nothing as long as nothing is in that. */
const held = async (rows: RowQuery): Promise<readonly { readonly what: string; readonly count: number }[]> => {
  const first = await rows.byId(experimentEntity, '0');
  const inFirst = first?.deleted === false ? `"experimentId" = '0'` : 'false';
  const counts = {
    registered_models: await count(rows, registeredModelEntity, 'NOT deleted'),
    experiments: await count(rows, experimentEntity, `NOT deleted AND "experimentId" <> '0'`),
    runs: await count(
      rows,
      runEntity,
      `${inFirst} AND NOT (deleted AND (body->>'deletedPosition')::bigint > ${BigInt(first?.restoredPosition ?? '0')})`,
    ),
    logged_models: await count(rows, loggedModelEntity, `${inFirst} AND NOT deleted`),
    trace_info: await count(rows, traceEntity, `${inFirst} AND NOT deleted`),
    evaluation_datasets: await count(rows, evaluationDatasetEntity),
    webhooks: await count(rows, webhookEntity, 'NOT deleted'),
    artifacts: await count(rows, artifactEntity, `starts_with(owner, 'artifact-folder:')`),
    endpoints: await count(rows, endpointEntity),
    use_cases: await count(rows, useCaseEntity),
  };
  return Object.entries(counts).flatMap(([what, found]) => (found > 0 ? [{ what, count: found }] : []));
};

const DELETION_MODES: readonly string[] = ['SET_DEFAULT', 'CASCADE', 'RESTRICT'];

/** @source MLflow 3.18.0, mlflow/server/handlers.py, and mlflow/store/workspace for the texts. */
export const workspaceEndpoints: readonly Endpoint[] = [
  endpoint({
    method: 'GET',
    version: 3,
    path: '/mlflow/workspaces',
    fields: {},
    handle: async (_request, call) => {
      const rows = await (await directory(call)).all(workspaceEntity, { deleted: false }, 'name', MAX_WORKSPACES);
      const others = rows.filter(({ name }) => name !== DEFAULT_WORKSPACE);
      const own = rows.find(({ name }) => name === DEFAULT_WORKSPACE) ?? UNCHANGED;
      const seen = [own, ...others].filter(({ name }) => sees(call, name)).sort((a, b) => (a.name < b.name ? -1 : 1));
      return { ...(seen.length > 0 && { workspaces: seen.map(workspaceJson) }) };
    },
  }),
  endpoint({
    method: 'POST',
    version: 3,
    path: '/mlflow/workspaces',
    status: 201,
    creates: true,
    fields: { name: required(string), ...settings },
    handle: async ({ name, description = '', default_artifact_root, trace_archival_config }, call) => {
      if (name === DEFAULT_WORKSPACE) throw invalid(`The '${name}' workspace is reserved and cannot be created`);
      checkedWorkspaceName(name);
      refuseArchival(trace_archival_config);
      const workspace: Workspace = {
        name,
        description: atMost(DESCRIPTION_LIMIT, 'description', description),
        defaultArtifactRoot: checkedRoot(name, default_artifact_root) ?? null,
      };
      await administer(call, 'CreateWorkspace', workspace);
      const own = call.inWorkspace(name);
      await ensureDefaultExperiment(own);
      // Of a workspace that was there before, it may be a deleted one.
      const first = await experimentById(own, '0');
      if (first.deleted) await inMlflowsWords(own.prepare('RestoreExperiment', { experimentId: first.experimentId }));
      return { workspace: workspaceJson(workspace) };
    },
  }),
  endpoint({
    method: 'GET',
    version: 3,
    path: '/mlflow/workspaces/{name}',
    fields: { name: required(string) },
    handle: async ({ name }, call) => ({ workspace: workspaceJson(await workspaceByName(call, name)) }),
  }),
  endpoint({
    method: 'PATCH',
    version: 3,
    path: '/mlflow/workspaces/{name}',
    fields: { name: required(string), ...settings },
    handle: async ({ name, description, default_artifact_root, trace_archival_config }, call) => {
      await workspaceByName(call, name);
      const { location, retention } = trace_archival_config ?? {};
      if ([description, default_artifact_root, location, retention].every((value) => value === undefined))
        throw invalid('Workspace update must have at least one key');
      refuseArchival(trace_archival_config);
      await administer(call, 'ChangeWorkspace', {
        name,
        description: description && atMost(DESCRIPTION_LIMIT, 'description', description),
        defaultArtifactRoot: checkedRoot(name, default_artifact_root),
      });
      return { workspace: workspaceJson(await workspaceByName(call, name)) };
    },
  }),
  endpoint({
    method: 'DELETE',
    version: 3,
    path: '/mlflow/workspaces/{name}',
    status: 204,
    query: true,
    fields: { name: required(string), mode: string },
    handle: async ({ name, mode = 'RESTRICT' }, call) => {
      if (name === DEFAULT_WORKSPACE) throw invalid(`The '${name}' workspace is reserved and cannot be deleted`);
      checkedWorkspaceName(name);
      if (!DELETION_MODES.includes(mode))
        throw invalid(`Invalid deletion mode '${mode}'. Must be one of: ${DELETION_MODES.join(', ')}`);
      await workspaceByName(call, name);
      // In every mode: to move or delete what is in a workspace is one event per thing, by whoever may do that.
      await administer(call, 'DeleteWorkspace', { name, holds: await held(await call.inWorkspace(name).rows()) });
      return {};
    },
  }),
];
