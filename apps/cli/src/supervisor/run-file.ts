import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lockHolder } from '@kontor/embedded';
import { z } from 'zod';

const schema = z.object({
  pid: z.int(),
  startedAt: z.string(),
  addresses: z.object({
    /** Without a path: GraphQL is `/graphql` below it, MLflow's REST face `/api/2.0/mlflow`. */
    gateway: z.string(),
    /** Without a path: the inference protocol is `/v2` below it. */
    serving: z.string(),
    /** Without user and password. */
    postgres: z.string(),
    nats: z.string(),
  }),
  components: z.array(z.object({ name: z.string(), pid: z.int() })),
});

/** What runs on a data directory, for the other commands: `<dataDir>/run.json`. It holds no secret. */
export type RunFile = z.output<typeof schema>;

const fileIn = (dataDir: string): string => join(dataDir, 'run.json');

/** Replaces the file as a whole: a reader sees the old or the new one. */
export const writeRunFile = async (dataDir: string, content: RunFile): Promise<void> => {
  const draft = `${fileIn(dataDir)}.new`;
  await writeFile(draft, `${JSON.stringify(content, null, 2)}\n`);
  await rename(draft, fileIn(dataDir));
};

export const removeRunFile = (dataDir: string): Promise<void> => rm(fileIn(dataDir), { force: true });

/** What runs on a data directory; undefined if nothing does. A file that a killed supervisor left behind does not count. */
export const readRunFile = async (dataDir: string): Promise<RunFile | undefined> => {
  const holder = await lockHolder(dataDir);
  if (!holder) return undefined;
  const text = await readFile(fileIn(dataDir), 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined; // still starting
    throw error;
  });
  const content = text === undefined ? undefined : schema.parse(JSON.parse(text));
  return content?.pid === holder.pid ? content : undefined;
};
