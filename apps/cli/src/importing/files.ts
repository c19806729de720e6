import { gathered, inParallel } from './in-order.js';
import { type File, type MlflowRegistry, type Owner, REQUESTS_AT_ONCE } from './mlflow-registry.js';
import { type MlflowServer, Refused } from './mlflow-server.js';

const PROXY = '/api/2.0/mlflow-artifacts/artifacts';
const PROXIED = /^mlflow-artifacts:(?:\/\/[^/]+)?\/*/;

/** Each part of a path as it stands in a URL. */
const encoded = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

/** A run or logged model whose files are copied. */
export interface Copied {
  readonly owner: Owner;
  /** Where its files lie at the source, and here. */
  readonly from: string;
  readonly to: string;
}

/** How a server sends one file: through its proxy, or from where it alone can read. */
const download = (server: MlflowServer, { owner, from }: Copied, path: string) => {
  if (PROXIED.test(from)) return server.download(`${PROXY}/${encoded(`${from.replace(PROXIED, '')}/${path}`)}`);
  if ('runId' in owner) return server.download('/get-artifact', { run_id: owner.runId, path });
  return server.download(`/ajax-api/2.0/mlflow/logged-models/${owner.loggedModelId}/artifacts/files`, {
    artifact_file_path: path,
  });
};

/**
 * Copies the files of a run or logged model that are not here yet; one of the same path and size is. Bytes stream through,
 * whatever the size of a file.
 *
 * @param onRefused told of each file that one of the two sides refuses.
 * @returns the files of the source.
 */
export const copyFiles = async (
  source: MlflowRegistry,
  here: MlflowRegistry,
  copied: Copied,
  onRefused: (path: string, refused: Refused) => void,
): Promise<readonly File[]> => {
  const files = await gathered(source.files(copied.owner));
  if (files.length === 0) return files;
  const present = await gathered(here.files(copied.owner));
  const known = new Map(present.map(({ path, sizeBytes }) => [path, sizeBytes]));
  const root = copied.to.replace(PROXIED, '');
  const missing = files.filter(({ path, sizeBytes }) => known.get(path) !== sizeBytes);
  await inParallel(missing, REQUESTS_AT_ONCE, async ({ path }) => {
    try {
      await here.server.upload(`${PROXY}/${encoded(`${root}/${path}`)}`, () => download(source.server, copied, path));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      onRefused(path, error);
    }
  });
  return files;
};
