import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { contexts } from '@kontor/domain/contexts';
import { eventJsonSchema } from '@kontor/event-sourcing';
import { repositoryRoot } from './tidy/source-tree.js';

const DIRECTORY = join('docs', 'events');

/** Path below `docs/events` and text of every event's schema, from the schemas of the domain. */
const generate = (): ReadonlyMap<string, string> =>
  new Map(
    contexts.flatMap((context) =>
      Object.keys(context.events).map((type) => [
        join(context.name, `${type}.json`),
        `${JSON.stringify(eventJsonSchema(context, type), undefined, 2)}\n`,
      ]),
    ),
  );

const readCommitted = async (directory: string): Promise<ReadonlyMap<string, string>> => {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.json'));
  return new Map(
    await Promise.all(
      files.map(async ({ name, parentPath }) => {
        const path = join(parentPath, name);
        return [path.slice(directory.length + 1), await readFile(path, 'utf8')] as const;
      }),
    ),
  );
};

/** Compares the committed schemas with the domain; says which differ. @returns whether none does. */
export const areEventSchemasCurrent = async (root: string): Promise<boolean> => {
  const wanted = generate();
  const committed = await readCommitted(join(root, DIRECTORY));
  const differing = [...new Set([...wanted.keys(), ...committed.keys()])].filter(
    (path) => wanted.get(path) !== committed.get(path),
  );
  for (const path of differing) {
    console.error(`${join(DIRECTORY, path)} differs from the event in libs/domain; npm run generate -w @kontor/tools`);
  }
  return differing.length === 0;
};

if (import.meta.main) {
  const directory = join(repositoryRoot(), DIRECTORY);
  for (const { name } of contexts) {
    await rm(join(directory, name), { recursive: true, force: true });
    await mkdir(join(directory, name), { recursive: true });
  }
  for (const [path, text] of generate()) await writeFile(join(directory, path), text);
}
