import { DEFAULT_WORKSPACE, mayEnter, type Principal } from '@kontor/service/process';
import type { FastifyRequest } from 'fastify';
import { workspaceEntity } from '../registry/registry.entities.js';
import type { MlflowCall } from './call.js';
import { invalid, missing } from './errors.js';
import { checkedWorkspaceName } from './names.js';

/**
 * Whatever of MLflow stands behind `/workspaces/<name>`, so that a tracking URI alone chooses the workspace. The page is among
 * it, because clients print links to it.
 */
const PREFIXED =
  /^\/+workspaces\/([^/?]*)\/*(\/(?:(?:api|ajax-api|v1\/traces|health|version|(?:model-versions\/)?get-artifact)(?:[/?].*)?)?)$/;

/**
 * The URL that is routed: without the prefix of a workspace, which {@link enterWorkspace} reads from the original one, and
 * with one slash at its start. A tracking URI or a proxy that ends with a slash brings two, and MLflow serves those too.
 */
export const routedUrl = (url: string): string => PREFIXED.exec(url)?.[2] ?? url.replace(/^\/{2,}/, '/');

/** `/workspaces/<name>` of a URL that has it in front, or nothing. */
export const workspacePrefix = (url: string): string => {
  const [, name] = PREFIXED.exec(url) ?? [];
  return name === undefined ? '' : `/workspaces/${name}`;
};

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return text; // No name either way.
  }
};

/** The workspace that a request names; undefined if it names none. @throws MlflowError if path and header differ. */
const namedWorkspace = ({ originalUrl, headers }: FastifyRequest): string | undefined => {
  const [, raw] = PREFIXED.exec(originalUrl) ?? [];
  const inPath = raw === undefined ? undefined : decoded(raw);
  const inHeader = String(headers['x-mlflow-workspace'] ?? '').trim() || undefined;
  if (inPath !== undefined && inHeader !== undefined && inPath !== inHeader) {
    throw invalid(`The path names the workspace '${inPath}', but the header X-MLFLOW-WORKSPACE names '${inHeader}'.`);
  }
  return inPath ?? inHeader;
};

export const noWorkspace = (name: string) => missing(`Workspace '${name}' not found`);

/**
 * Who acts, in the workspace that the request names; in that of the sign-in if it names none.
 *
 * @param call of the principal who signed in.
 * @throws MlflowError for a workspace that is none of the principal's, in the words for one that does not exist, and
 *   before anything is looked up, so that both take the same time.
 */
export const enterWorkspace = async (request: FastifyRequest, call: MlflowCall): Promise<Principal> => {
  const { principal } = call;
  const named = namedWorkspace(request);
  const workspace = named === undefined ? principal.workspace : checkedWorkspaceName(named);
  if (!mayEnter(principal, workspace)) throw noWorkspace(workspace);
  if (workspace !== DEFAULT_WORKSPACE) {
    await call.inWorkspace(DEFAULT_WORKSPACE).found(async (rows) => {
      const row = await rows.byId(workspaceEntity, workspace);
      // Tokens of workspaces that nobody has made were good before workspaces were made.
      if (row ? row.deleted : workspace !== principal.workspace) throw noWorkspace(workspace);
      return true;
    });
  }
  return { ...principal, workspace };
};
