import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { contexts } from '@kontor/domain/contexts';
import { eventJsonSchema, newestVersion } from '@kontor/event-sourcing';
import { type Schema, schemaChanges } from './schema-changes.js';
import { repositoryRoot } from './tidy/source-tree.js';

const DIRECTORY = join('docs', 'events');
/** One file per release: the schema of every event in every version, one on a line. Never edited. */
const RELEASES = join(DIRECTORY, 'releases');

/** Per path below `docs/events` the text of a schema. */
type SchemaFiles = ReadonlyMap<string, string>;

/** The newest version of every event, from the schemas of the domain. */
const generate = (): SchemaFiles =>
  new Map(
    contexts.flatMap((context) =>
      Object.keys(context.events).map((type) => [
        join(context.name, `${type}.${newestVersion(context.upcasters, type)}.json`),
        `${JSON.stringify(eventJsonSchema(context, type), undefined, 2)}\n`,
      ]),
    ),
  );

/** The versions before the newest: their schemas can no longer be made, so the committed files are kept. */
const olderVersions = (): readonly string[] =>
  contexts.flatMap(({ name, events, upcasters }) =>
    Object.keys(events).flatMap((type) =>
      Array.from({ length: newestVersion(upcasters, type) - 1 }, (_, n) => join(name, `${type}.${n + 1}.json`)),
    ),
  );

const readCommitted = async (directory: string): Promise<SchemaFiles> => {
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

/** The schemas of the newest release. */
const readReleased = async (root: string): Promise<readonly Schema[]> => {
  const files = (await readdir(join(root, RELEASES))).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  const newest = files.at(-1);
  if (newest === undefined) return [];
  const lines = (await readFile(join(root, RELEASES, newest), 'utf8')).trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Schema);
};

/** Compares the committed schemas with the domain; says which differ. @returns whether none does. */
export const areEventSchemasCurrent = async (root: string): Promise<boolean> => {
  const wanted = generate();
  const committed = await readCommitted(join(root, DIRECTORY));
  const older = olderVersions();
  const differing = [...new Set([...wanted.keys(), ...committed.keys()])].filter(
    (path) => wanted.get(path) !== committed.get(path) && !older.includes(path),
  );
  for (const path of differing) {
    console.error(`${join(DIRECTORY, path)} differs from the event in libs/domain; npm run generate -w @kontor/tools`);
  }
  const missing = older.filter((path) => !committed.has(path));
  for (const path of missing) {
    console.error(
      `${join(DIRECTORY, path)} is missing: events of this version are in the log for ever; take it from git`,
    );
  }
  return differing.length + missing.length === 0;
};

/** Why the schemas break what a release has promised; one sentence each. */
export const brokenPromises = (released: readonly Schema[], current: readonly Schema[]): readonly string[] => {
  const byId = new Map(current.map((schema) => [schema['$id'], schema]));
  return released.flatMap((before) => {
    const name = String(before['$id']).split(':').slice(-2).join('@');
    const now = byId.get(before['$id']);
    if (now === undefined) return [`${name} was released and is gone; it is in the log for ever, so keep its schema`];
    return schemaChanges(before, now).map(
      ({ path, change }) =>
        `${name} ${path || 'as a whole'}: ${change}. A released version may only gain optional fields: raise the version and add an upcaster`,
    );
  });
};

/** Compares the committed schemas with those of the newest release; says what is broken. @returns whether nothing is. */
export const areReleasedSchemasKept = async (root: string): Promise<boolean> => {
  const committed = await readCommitted(join(root, DIRECTORY));
  const current = [...committed.values()].map((text) => JSON.parse(text) as Schema);
  const broken = brokenPromises(await readReleased(root), current);
  for (const sentence of broken) console.error(sentence);
  return broken.length === 0;
};

if (import.meta.main) {
  const root = repositoryRoot();
  const { values } = parseArgs({ options: { release: { type: 'string' } } });
  const wanted = generate();
  const kept = olderVersions();
  const directory = join(root, DIRECTORY);
  for (const path of (await readCommitted(directory)).keys())
    if (!wanted.has(path) && !kept.includes(path)) await rm(join(directory, path));
  for (const [path, text] of wanted) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), text);
  }
  if (values.release !== undefined) {
    const all = [...(await readCommitted(directory)).entries()].sort(([a], [b]) => (a < b ? -1 : 1));
    const lines = all.map(([, text]) => `${JSON.stringify(JSON.parse(text))}\n`);
    // A release is a promise: it is written once.
    await writeFile(join(root, RELEASES, `${values.release}.jsonl`), lines.join(''), { flag: 'wx' });
  }
}
