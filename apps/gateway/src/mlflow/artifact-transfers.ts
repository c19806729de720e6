import type { DirectTransfers } from '@kontor/artifact-store';
import { dispositionOf, fileAt } from './artifact-downloads.js';
import { checkedPath, checkedProxyPath, type OwnedPath } from './artifact-paths.js';
import { record, writableFile, type WritablePath } from './artifact-uploads.js';
import type { MlflowCall } from './call.js';
import { endpoint, type Endpoint } from './endpoint.js';
import { invalid, MlflowError } from './errors.js';
import { loggedModelById } from './logged-models.js';
import { int64, message, repeated, required, string } from './message.js';
import { runById } from './runs.js';

/** @throws MlflowError 501 on a store without them: clients then send and fetch plainly. */
const transfersOf = (call: MlflowCall, direction: 'upload' | 'download'): DirectTransfers => {
  const { direct } = call.parts.artifacts;
  if (direct) return direct;
  throw new MlflowError(
    'NOT_IMPLEMENTED',
    `Multipart ${direction} is not supported for the current artifact repository`,
  );
};

/** In the folder that the URL names. Clients before 3.18 send the path of their own file, of which the last part counts. */
const fileOfUpload = (call: MlflowCall, folder: string, path: string): Promise<WritablePath> =>
  writableFile(call, checkedProxyPath(call.workspace, [folder, /[^/\\]*$/.exec(path)?.[0]].filter(Boolean).join('/')));

/** Whoever ends an upload has to name the file that it was begun for. */
const nameOf = (call: MlflowCall, { owner, path }: OwnedPath): string => JSON.stringify([call.workspace, owner, path]);

/** @source Amazon S3 User Guide, multipart upload limits */
const MAX_PARTS = 10_000n;

const uploadFields = { '*': string, path: required(string) } as const;

/** Uploads in parts and downloads, between clients and the storage itself. */
const direct: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/mlflow-artifacts/mpu/create/*',
    fields: { ...uploadFields, num_parts: int64 },
    handle: async ({ '*': folder = '', path, num_parts = 1n }, call) => {
      const transfers = transfersOf(call, 'upload');
      if (num_parts < 1n || num_parts > MAX_PARTS)
        throw invalid(`num_parts must be between 1 and ${MAX_PARTS}, but got ${num_parts}.`);
      const file = await fileOfUpload(call, folder, path);
      const { uploadId, links } = await transfers.beginUpload(nameOf(call, file), Number(num_parts));
      const credentials = links.map((url, index) => ({ url, part_number: index + 1, headers: {} }));
      return { upload_id: uploadId, credentials };
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow-artifacts/mpu/complete/*',
    fields: {
      ...uploadFields,
      upload_id: required(string),
      parts: required(repeated(message({ part_number: required(int64), etag: required(string), url: string }))),
    },
    handle: async ({ '*': folder = '', path, upload_id, parts }, call) => {
      const transfers = transfersOf(call, 'upload');
      const file = await fileOfUpload(call, folder, path);
      const sent = parts.map(({ part_number, etag }) => ({ partNumber: Number(part_number), etag }));
      await record(call, file, await transfers.completeUpload(nameOf(call, file), upload_id, sent));
      return {};
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow-artifacts/mpu/abort/*',
    fields: { ...uploadFields, upload_id: required(string) },
    handle: async ({ '*': folder = '', path, upload_id }, call) => {
      const transfers = transfersOf(call, 'upload');
      const file = await fileOfUpload(call, folder, path);
      await transfers.abortUpload(nameOf(call, file), upload_id);
      return {};
    },
  }),
  endpoint({
    method: 'GET',
    path: '/mlflow-artifacts/presigned/*',
    expires: true,
    fields: { '*': string },
    handle: async ({ '*': path = '' }, call) => {
      const transfers = transfersOf(call, 'download');
      const file = await fileAt(call, checkedProxyPath(call.workspace, path), path);
      const url = await transfers.downloadLink(file.digest, dispositionOf(file));
      return { url, headers: {}, file_size: file.sizeBytes };
    },
  }),
];

/** A week, the most that S3 gives. */
const MAX_EXPIRATION_S = 604_800n;

/** @returns the refusal of MLflow for files of a run or logged model that lie behind the proxy; every store of ours is one. */
const notDirect = (direction: 'upload' | 'download', artifactUri: string): MlflowError => {
  const scheme = artifactUri.split(':', 1)[0];
  if (scheme !== 'mlflow-artifacts')
    return new MlflowError(
      'NOT_IMPLEMENTED',
      `Presigned ${direction} is not supported for the current artifact repository`,
    );
  const [of, a] = direction === 'download' ? ['runs with ', 'a run with '] : ['', ''];
  return invalid(
    `Presigned ${direction} is not supported for ${of}proxied artifact storage (artifact URI scheme: ${scheme}). ` +
      `This endpoint requires ${a}a direct cloud storage artifact URI.`,
  );
};

const checkedExpiration = (expiration: bigint | undefined): void => {
  if (expiration === undefined || (expiration >= 1n && expiration <= MAX_EXPIRATION_S)) return;
  throw invalid(`expiration must be between 1 and ${MAX_EXPIRATION_S} seconds (got ${expiration}).`);
};

const presigned: readonly Endpoint[] = [
  endpoint({
    method: 'POST',
    path: '/mlflow/artifacts/presigned-upload-url',
    fields: { run_id: string, model_id: string, path: required(string), expiration: int64 },
    handle: async ({ run_id, model_id, path, expiration }, call) => {
      if (Boolean(run_id) === Boolean(model_id)) throw invalid('Exactly one of run_id and model_id must be provided.');
      checkedPath(path);
      checkedExpiration(expiration);
      const owner = run_id ? (await runById(call, run_id)).run : await loggedModelById(call, model_id ?? '');
      throw notDirect('upload', owner.artifactUri);
    },
  }),
  endpoint({
    method: 'POST',
    path: '/mlflow/artifacts/presigned-download-url',
    fields: { run_id: required(string), path: required(string), expiration: int64 },
    handle: async ({ run_id, path, expiration }, call) => {
      checkedPath(path);
      checkedExpiration(expiration);
      throw notDirect('download', (await runById(call, run_id)).run.artifactUri);
    },
  }),
];

/** Transfers past the gateway. */
export const transferEndpoints: readonly Endpoint[] = [...direct, ...presigned];
