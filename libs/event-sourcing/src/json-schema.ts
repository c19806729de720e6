import { z } from 'zod';
import type { Context } from './context.js';
import { newestVersion } from './upcast.js';

/**
 * The JSON Schema (draft 2020-12) of the data of one event type, in the version that is appended now.
 *
 * Its `$id` is what a message carries in `ce-dataschema`.
 *
 * @throws Error if the context has no such event, or its Zod schema says what JSON Schema cannot.
 */
export const eventJsonSchema = (
  { name, events, upcasters }: Pick<Context, 'name' | 'events' | 'upcasters'>,
  type: string,
): Readonly<Record<string, unknown>> => {
  const schema = events[type];
  if (schema === undefined) throw new Error(`${name} has no event ${type}`);
  const { $schema, ...rest } = z.toJSONSchema(schema);
  return { $schema, $id: `${type}@${newestVersion(upcasters, type)}`, title: `${type}, an event of ${name}`, ...rest };
};
