import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { fileAt, fileOf, fileOfVersion, type NamedFile, sendFile } from './artifact-downloads.js';
import { checkedPath, checkedProxyPath, listProxy } from './artifact-paths.js';
import { remove, upload, uploadForm } from './artifact-uploads.js';
import type { MlflowCall } from './call.js';
import { invalid } from './errors.js';
import { writeJson } from './json.js';
import { loggedModelById } from './logged-models.js';
import { type Fields, type Message, readMessage, required, string } from './message.js';
import { inputOf } from './request.js';
import { runIdFields } from './run-id.js';
import { runById } from './runs.js';
import { named } from './version-rows.js';

/** The raw path behind the proxy's root: the router decodes once, and the check decodes further by itself. */
const pathOf = (request: FastifyRequest): string => (request.params as { readonly '*': string })['*'];

/** Reads a query and the path's parts as a GET endpoint's. */
const queryOf = async <const F extends Fields>(fields: F, request: FastifyRequest): Promise<Message<F>> =>
  readMessage(fields, (await inputOf({ method: 'GET', fields }, request)).input);

/** Base names, as the proxy lists them. */
const list = async (request: FastifyRequest, call: MlflowCall): Promise<object> => {
  const { path = '' } = await queryOf({ path: string }, request);
  const files = await listProxy(await call.rows(), checkedProxyPath(call.workspace, path));
  const base = files.map((file) => ({ ...file, path: file.path.slice(file.path.lastIndexOf('/') + 1) }));
  return base.length > 0 ? { files: base } : {};
};

type Find = (request: FastifyRequest, call: MlflowCall) => Promise<NamedFile>;

const ofProxy: Find = (request, call) => {
  const path = pathOf(request);
  return fileAt(call, checkedProxyPath(call.workspace, path), path);
};

const ofRun: Find = async (request, call) => {
  const asked = await queryOf({ ...runIdFields, path: required(string) }, request);
  const path = checkedPath(asked.path);
  const { run } = await runById(call, asked.run_id);
  return fileOf(call, `run:${run.runId}`, path);
};

const ofLoggedModel: Find = async (request, call) => {
  const { model_id, artifact_file_path } = await queryOf(
    { model_id: required(string), artifact_file_path: string },
    request,
  );
  if (!artifact_file_path) throw invalid('Request must include the "artifact_file_path" query parameter.');
  const path = checkedPath(artifact_file_path);
  const { loggedModelId } = await loggedModelById(call, model_id);
  return fileOf(call, `logged-model:${loggedModelId}`, path);
};

/** What a version is made of, whatever has become of its run. */
const ofVersion: Find = async (request, call) => {
  const asked = await queryOf({ name: required(string), version: required(string), path: required(string) }, request);
  const path = checkedPath(asked.path);
  const { row } = await named(call, asked);
  return fileOfVersion(row.artifacts?.files ?? [], path);
};

const READS = { config: { access: 'read' } } as const;
const WRITES = { config: { access: 'write' } } as const;

/** Routes of files: they carry bytes, not JSON. `prefixes` stand in front of each path. */
export const artifactRoutes = (
  scope: FastifyInstance,
  prefixes: readonly string[],
  callOf: (request: FastifyRequest, reply: FastifyReply) => MlflowCall,
): void => {
  // With a HEAD of its own: Fastify's would read the whole file to throw it away.
  const file = (url: string, find: Find) =>
    scope.route({
      method: ['GET', 'HEAD'],
      url,
      ...READS,
      handler: async (request, reply): Promise<FastifyReply> => {
        const call = callOf(request, reply);
        return sendFile(request, reply, call, await find(request, call));
      },
    });
  file('/get-artifact', ofRun);
  file('/model-versions/get-artifact', ofVersion);
  file('/ajax-api/2.0/mlflow/logged-models/:model_id/artifacts/files', ofLoggedModel);
  scope.post('/ajax-api/2.0/mlflow/upload-artifact', WRITES, async (request, reply) => {
    await uploadForm(request, callOf(request, reply));
    return reply.type('application/json').send('');
  });
  for (const prefix of prefixes) {
    const root = `${prefix}/2.0/mlflow-artifacts/artifacts`;
    scope.get(root, READS, async (request, reply) =>
      reply.type('application/json').send(writeJson(await list(request, callOf(request, reply)))),
    );
    file(`${root}/*`, ofProxy);
    scope.put(`${root}/*`, WRITES, async (request, reply) => {
      const call = callOf(request, reply);
      const path = pathOf(request);
      if (path.endsWith('/')) throw invalid('Invalid path');
      await upload(request, call, checkedProxyPath(call.workspace, path));
      return reply.code(200).send();
    });
    scope.delete(`${root}/*`, WRITES, async (request, reply) => {
      const call = callOf(request, reply);
      await remove(call, checkedProxyPath(call.workspace, pathOf(request)));
      return reply.type('application/json').send('{}');
    });
  }
};
