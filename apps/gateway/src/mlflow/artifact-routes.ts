import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { artifactPath } from '../artifacts/artifact-path.js';
import { artifactEntity, modelVersionEntity, registeredModelEntity } from '../registry/registry.entities.js';
import { inWorkspace, listProxy, type OwnedPath, ownedPath, ownerOf } from './artifact-paths.js';
import type { MlflowCall } from './call.js';
import { invalid, missing, MlflowError } from './errors.js';
import { writeJson } from './json.js';

const ROOT = '/2.0/mlflow-artifacts/artifacts';

/** What a browser may show; everything else is bytes. Never markup or script: a stored page would run here. */
const TYPES: Readonly<Record<string, string>> = {
  json: 'application/json',
  txt: 'text/plain; charset=utf-8',
  md: 'text/plain; charset=utf-8',
  yaml: 'text/plain; charset=utf-8',
  yml: 'text/plain; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
  png: 'image/png',
  jpg: 'image/jpeg',
};

/** @throws MlflowError for a path that tries to leave its place. */
export const checkedPath = (path: string): string => {
  const normal = artifactPath(path);
  if (normal !== undefined) return normal;
  throw invalid('Invalid path');
};

/** As {@link checkedPath}, of the proxy: below the root of the caller's workspace. */
const proxyPath = (call: MlflowCall, path: string): string => inWorkspace(call.workspace, checkedPath(path));

/** The raw path behind the proxy's root: the router decodes once, and the check decodes further by itself. */
const pathOf = (request: FastifyRequest): string => (request.params as { readonly '*': string })['*'];

const idField = { Run: 'runId', LoggedModel: 'loggedModelId', Folder: 'folder' } as const;

/**
 * Refuses to change what a registered version is made of, and records who tried.
 *
 * @throws MlflowError 409 ARTIFACT_IMMUTABLE that names the version.
 */
const refuseRegistered = async (call: MlflowCall, { command, id, path }: OwnedPath): Promise<void> => {
  const rows = await call.rows();
  const column = { Run: 'runId', LoggedModel: 'loggedModelId', Folder: undefined }[command];
  if (column === undefined) return;
  const versions = await rows.all(modelVersionEntity, { [column]: id, deleted: false }, 'key', 1000);
  for (const { modelId, version, storageLocation } of versions) {
    const root = ownedPath(storageLocation.replace(/^mlflow-artifacts:\/*/, ''));
    const below = root.path === '' || path === root.path || path.startsWith(`${root.path}/`);
    if (root.id !== id || !below) continue;
    const model = await rows.byId(registeredModelEntity, modelId);
    const registeredAs = { modelName: model?.name ?? modelId, version };
    await call.send(`Refuse${command}ArtifactWrite`, { [idField[command]]: id, path, registeredAs });
    throw new MlflowError(
      'RESOURCE_CONFLICT',
      `Artifacts of model version ${registeredAs.modelName}/${version} cannot be changed.`,
      {
        rejection: 'ARTIFACT_IMMUTABLE',
      },
    );
  }
};

const upload = async (request: FastifyRequest, call: MlflowCall): Promise<void> => {
  const path = proxyPath(call, pathOf(request));
  if (path === '' || /\/$/.test(pathOf(request))) throw invalid('Invalid path');
  const owned = await ownerOf(await call.rows(), path);
  if (owned.path === '') throw invalid('Invalid path');
  await refuseRegistered(call, owned);
  // An empty file comes without a body.
  const bytes = (request.body as Readable | undefined) ?? Readable.from([]);
  const { digest, sizeBytes } = await call.parts.artifacts.put(bytes);
  await call.send(`Record${owned.command}Artifact`, {
    [idField[owned.command]]: owned.id,
    path: owned.path,
    digest,
    sizeBytes,
  });
};

const remove = async (request: FastifyRequest, call: MlflowCall): Promise<void> => {
  const path = proxyPath(call, pathOf(request));
  if (path === '') throw invalid('Invalid path');
  const owned = await ownerOf(await call.rows(), path);
  if (owned.path === '') throw invalid('Invalid path');
  await refuseRegistered(call, owned);
  await call.send(`Remove${owned.command}Artifacts`, { [idField[owned.command]]: owned.id, path: owned.path });
};

type Range = { readonly start: number; readonly end: number };

/** One range of bytes, as clients ask for it. @returns undefined for none, `'unsatisfiable'` for one behind the end. @source RFC 9110, 14.2 */
const rangeOf = (header: string | undefined, sizeBytes: number): Range | 'unsatisfiable' | undefined => {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (match[1] === '' && match[2] === '')) return undefined;
  const [, from = '', to = ''] = match;
  const start = from === '' ? Math.max(0, sizeBytes - Number(to)) : Number(from);
  const end = from === '' || to === '' ? sizeBytes - 1 : Math.min(Number(to), sizeBytes - 1);
  if (from !== '' && to !== '' && Number(to) < start) return undefined;
  return start <= end ? { start, end } : 'unsatisfiable';
};

const download = async (request: FastifyRequest, reply: FastifyReply, call: MlflowCall): Promise<FastifyReply> => {
  const asked = proxyPath(call, pathOf(request));
  const rows = await call.rows();
  const owned = asked === '' ? undefined : await ownerOf(rows, asked);
  const [row] = owned ? await rows.all(artifactEntity, { owner: owned.owner, path: owned.path }, 'key', 1) : [];
  if (!row) {
    const isFolder = (await listProxy(rows, asked)).length > 0;
    const shown = pathOf(request);
    if (isFolder) throw invalid(`Artifact path refers to a directory, not a file: '${shown}'`);
    throw missing(`No such artifact: '${shown}'`);
  }
  const { digest, sizeBytes, path } = row;
  if ((await call.parts.artifacts.size(digest)) !== sizeBytes) {
    throw new Error(`the bytes of ${asked} (${digest}) are not in the artifact store`);
  }
  const name = path.slice(path.lastIndexOf('/') + 1);
  const ascii = name.replace(/[^\x20-\x7e]|["\\]/g, '_');
  const extended = ascii === name ? '' : `; filename*=UTF-8''${encodeURIComponent(name)}`;
  const range = rangeOf(request.headers.range, sizeBytes);
  reply
    .header('content-disposition', `attachment; filename="${ascii}"${extended}`)
    .header('accept-ranges', 'bytes')
    .header('etag', `"${digest}"`)
    .type(TYPES[name.slice(name.lastIndexOf('.') + 1).toLowerCase()] ?? 'application/octet-stream');
  if (range === 'unsatisfiable') {
    return reply.code(416).header('content-range', `bytes */${sizeBytes}`).send();
  }
  if (range) {
    reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${sizeBytes}`);
    return reply.header('content-length', range.end - range.start + 1).send(call.parts.artifacts.read(digest, range));
  }
  return reply.header('content-length', sizeBytes).send(call.parts.artifacts.read(digest));
};

/** Base names, as the proxy lists them. */
const list = async (request: FastifyRequest, call: MlflowCall): Promise<object> => {
  const folder = proxyPath(call, (request.query as { readonly path?: string }).path ?? '');
  const files = await listProxy(await call.rows(), folder);
  const named = files.map((file) => ({ ...file, path: file.path.slice(file.path.lastIndexOf('/') + 1) }));
  return named.length > 0 ? { files: named } : {};
};

const READS = { config: { access: 'read' } } as const;
const WRITES = { config: { access: 'write' } } as const;

/** The artifact proxy: bytes by content, paths as names that events keep. */
export const artifactRoutes = (
  scope: FastifyInstance,
  prefixes: readonly string[],
  callOf: (request: FastifyRequest) => MlflowCall,
): void => {
  for (const prefix of prefixes) {
    const root = `${prefix}${ROOT}`;
    scope.get(root, READS, async (request, reply) =>
      reply.type('application/json').send(writeJson(await list(request, callOf(request)))),
    );
    // Clients that are told to try parts or direct links fall back to plain transfers on this answer.
    for (const step of ['create', 'complete', 'abort']) {
      scope.post(`${prefix}/2.0/mlflow-artifacts/mpu/${step}/*`, () => {
        throw new MlflowError(
          'NOT_IMPLEMENTED',
          'Multipart upload is not supported for the current artifact repository',
        );
      });
    }
    scope.get(`${prefix}/2.0/mlflow-artifacts/presigned/*`, () => {
      throw new MlflowError(
        'NOT_IMPLEMENTED',
        'Multipart download is not supported for the current artifact repository',
      );
    });
    scope.put(`${root}/*`, WRITES, async (request, reply) => {
      await upload(request, callOf(request));
      return reply.code(200).send();
    });
    scope.get(`${root}/*`, READS, (request, reply) => download(request, reply, callOf(request)));
    scope.delete(`${root}/*`, WRITES, async (request, reply) => {
      await remove(request, callOf(request));
      return reply.type('application/json').send('{}');
    });
  }
};
