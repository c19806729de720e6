import { ArtifactUnusable, proven } from '@kontor/artifact-store';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { artifactEntity } from '../registry/registry.entities.js';
import { listArtifacts, listProxy, ownerOf } from './artifact-paths.js';
import type { MlflowCall } from './call.js';
import { invalid, missing } from './errors.js';

/** A file that a path names. */
export interface NamedFile {
  readonly path: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

/** Extensions, and whole names, of what is sent as plain text. @source MLflow 3.18.0, mlflow/utils/mime_type_utils.py */
const TEXTS: ReadonlySet<string> = new Set(
  `txt log err cfg conf cnf cf ini properties prop hocon toml yaml yml xml json js py py3 csv tsv md rst ipynb
   mlmodel mlproject`.split(/\s+/),
);

/** What else a browser may show; all other files are bytes. Never markup: a stored page would run here. */
const TYPES: Readonly<Record<string, string>> = {
  ...{ png: 'image/png', jpg: 'image/jpeg', jpeg: 'image/jpeg', gif: 'image/gif', bmp: 'image/bmp' },
  ...{ webp: 'image/webp', tif: 'image/tiff', tiff: 'image/tiff', pdf: 'application/pdf' },
  ...{ mp3: 'audio/mpeg', wav: 'audio/x-wav', mp4: 'video/mp4', webm: 'video/webm' },
};

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

const typeOf = (path: string): string => {
  const name = nameOf(path).toLowerCase();
  const extension = name.slice(name.lastIndexOf('.') + 1);
  return TEXTS.has(extension) ? 'text/plain' : (TYPES[extension] ?? 'application/octet-stream');
};

/** Why there is no file. @param shown the path as the client gave it. @source MLflow 3.18.0, mlflow/server/handlers.py, `_send_artifact` */
const noFile = (shown: string, isFolder: boolean) =>
  isFolder
    ? invalid(`Artifact path refers to a directory, not a file: '${shown}'`)
    : missing(`No such artifact: '${shown}'`);

/** The file of a run or a logged model. @throws MlflowError if there is none, or a folder. */
export const fileOf = async (call: MlflowCall, owner: string, path: string, shown = path): Promise<NamedFile> => {
  const rows = await call.rows();
  const [row] = path === '' ? [] : await rows.all(artifactEntity, { owner, path }, 'key', 1);
  if (row) return row;
  throw noFile(shown, path === '' || (await listArtifacts(rows, owner, path)).length > 0);
};

/** The file at a path of the proxy, normalised and below the root of its workspace. @throws MlflowError as {@link fileOf} */
export const fileAt = async (call: MlflowCall, path: string, shown: string): Promise<NamedFile> => {
  const rows = await call.rows();
  if (path === '') throw noFile(shown, true);
  const owned = await ownerOf(rows, path);
  const [row] = await rows.all(artifactEntity, { owner: owned.owner, path: owned.path }, 'key', 1);
  if (row) return row;
  throw noFile(shown, (await listProxy(rows, path)).length > 0);
};

/** The file of a version, as it was registered. @throws MlflowError as {@link fileOf} */
export const fileOfVersion = (files: readonly NamedFile[], path: string): NamedFile => {
  const file = files.find((known) => known.path === path);
  if (file) return file;
  throw noFile(
    path,
    files.some((known) => path === '' || known.path.startsWith(`${path}/`)),
  );
};

/**
 * How a client keeps the file. A name that is no token is quoted, one outside of ASCII also comes in the form of RFC 8187.
 *
 * @source RFC 6266; MLflow 3.18.0, mlflow/server/handlers.py, `_content_disposition_attachment`.
 */
export const dispositionOf = ({ path }: NamedFile): string => {
  const name = nameOf(path);
  const ascii = name.normalize('NFKD').replace(/[^\x20-\x7e]/g, '') || 'download';
  const isToken = /^[\w!#$%&'*+.^`|~-]+$/.test(ascii);
  const quoted = isToken ? ascii : `"${ascii.replace(/["\\]/g, '\\$&')}"`;
  // encodeURIComponent leaves these four as they are; RFC 8187 does not know them.
  const percent = (text: string) => `%${text.charCodeAt(0).toString(16).toUpperCase()}`;
  const encoded = encodeURIComponent(name).replace(/['()*]/g, percent);
  return `attachment; filename=${quoted}${ascii === name ? '' : `; filename*=UTF-8''${encoded}`}`;
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

/** Whether a client has these bytes already. @source RFC 9110, 13.1.2 */
const isKnown = (header: string | undefined, etag: string): boolean =>
  header !== undefined &&
  header.split(',').some((known) => known.trim() === '*' || known.trim().replace(/^W\//, '') === etag);

/**
 * Answers with a file: whole, a range of it, nothing but the headers (HEAD), or 304 to who has it already.
 *
 * The digest is the entity tag, so a download that broke off goes on only if the path still names the same bytes. A whole file
 * is proven by its digest on the way; a range of one is not, because that would read all of it.
 */
export const sendFile = async (
  request: FastifyRequest,
  reply: FastifyReply,
  { parts }: MlflowCall,
  file: NamedFile,
): Promise<FastifyReply> => {
  const { path, digest, sizeBytes } = file;
  const { headers, method } = request;
  const etag = `"${digest}"`;
  reply.header('etag', etag).header('accept-ranges', 'bytes');
  if (isKnown(headers['if-none-match'], etag)) return reply.code(304).send();
  const ifRange = headers['if-range'];
  const range = ifRange === undefined || ifRange === etag ? rangeOf(headers.range, sizeBytes) : undefined;
  if (range === 'unsatisfiable') return reply.code(416).header('content-range', `bytes */${sizeBytes}`).send();
  reply.header('content-disposition', dispositionOf(file)).type(typeOf(path));
  reply.header('content-length', range ? range.end - range.start + 1 : sizeBytes);
  if (range) reply.code(206).header('content-range', `bytes ${range.start}-${range.end}/${sizeBytes}`);
  if (method === 'HEAD') return reply.send();
  const content = await parts.artifacts.open(digest, range);
  if (content.sizeBytes !== sizeBytes) {
    content.bytes.destroy();
    throw new ArtifactUnusable(`the file of ${digest} has ${content.sizeBytes} bytes instead of ${sizeBytes}`);
  }
  return reply.send(range ? content.bytes : await proven(digest, content.bytes));
};
