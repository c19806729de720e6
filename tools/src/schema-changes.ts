/** A JSON Schema, or a part of one. */
export type Schema = Readonly<Record<string, unknown>>;

/** What differs and matters to whoever reads events: where, and in which way. */
export interface SchemaChange {
  /** Such as `metrics[].step`; empty for the event's data as a whole. */
  readonly path: string;
  readonly change: string;
}

/** Said for people; no value becomes valid or invalid by them. */
const ANNOTATIONS = ['$schema', '$id', 'title', 'description'];

const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const text = (value: unknown): string => (value === undefined ? 'not there' : JSON.stringify(value));

/**
 * What a schema may not have done since its version was released. It may gain optional fields and change its words.
 *
 * Whatever else makes fewer values valid turns recorded events invalid; whatever makes more of them valid hands readers of
 * this version what they were told would never come. So both are refused, for each keyword alike.
 */
export const schemaChanges = (released: Schema, current: Schema, path = ''): readonly SchemaChange[] => {
  const keywords = [...new Set([...Object.keys(released), ...Object.keys(current)])];
  return keywords
    .filter((keyword) => !ANNOTATIONS.includes(keyword))
    .flatMap((keyword) => {
      const [before, now] = [released[keyword], current[keyword]];
      if (keyword === 'properties' && isSchema(before) && isSchema(now)) return fieldChanges(released, current, path);
      if (keyword === 'required') return requiredChanges(released, current, path);
      if (keyword === 'enum') return valueChanges(list(before), list(now), path);
      // Definitions count where they are used; one that nobody uses any more may go.
      if (keyword === '$defs' && isSchema(before) && isSchema(now))
        return Object.keys(before).flatMap((name) => nested(before[name], now[name], path));
      return nested(before, now, keyword === 'items' ? `${path}[]` : path, keyword);
    });
};

const nested = (before: unknown, now: unknown, path: string, keyword = ''): readonly SchemaChange[] => {
  if (isSchema(before) && isSchema(now)) return schemaChanges(before, now, path);
  if (Array.isArray(before) && Array.isArray(now) && before.length === now.length && before.every(isSchema))
    return before.flatMap((schema, n) => nested(schema, now[n], path, `${keyword} ${n + 1}`));
  if (text(before) === text(now)) return [];
  if (Array.isArray(before) && Array.isArray(now))
    return [{ path, change: `${keyword} had ${before.length} members and has ${now.length}` }];
  return [{ path, change: `${keyword} was ${text(before)} and is ${text(now)}` }];
};

const fieldChanges = (released: Schema, current: Schema, path: string): readonly SchemaChange[] => {
  const [before, now] = [released['properties'] as Schema, current['properties'] as Schema];
  return Object.keys(before).flatMap((name) => {
    const at = path === '' ? name : `${path}.${name}`;
    return name in now ? nested(before[name], now[name], at) : [{ path: at, change: 'was removed' }];
  });
};

const requiredChanges = (released: Schema, current: Schema, path: string): readonly SchemaChange[] => {
  const [before, now] = [list(released['required']), list(current['required'])].map((names) => names.map(String));
  const [old, fields] = [released['properties'], current['properties']].map((value) => (isSchema(value) ? value : {}));
  const at = (name: string): string => (path === '' ? name : `${path}.${name}`);
  return [
    ...(now ?? [])
      .filter((name) => !before?.includes(name))
      .map((name) => ({ path: at(name), change: old && name in old ? 'became required' : 'was added as required' })),
    ...(before ?? [])
      .filter((name) => !now?.includes(name) && fields && name in fields)
      .map((name) => ({ path: at(name), change: 'is no longer required' })),
  ];
};

const valueChanges = (before: readonly unknown[], now: readonly unknown[], path: string): readonly SchemaChange[] => [
  ...before
    .filter((value) => !now.includes(value))
    .map((value) => ({ path, change: `no longer allows ${text(value)}` })),
  ...now.filter((value) => !before.includes(value)).map((value) => ({ path, change: `newly allows ${text(value)}` })),
];
