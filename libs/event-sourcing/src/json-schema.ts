import { z } from 'zod';
import type { Context } from './context.js';
import { newestVersion } from './upcast.js';

/** The name of an event's schema, in the schema itself (`$id`) and in each message (`ce-dataschema`). */
export const eventSchemaId = (context: string, type: string, version: number): string =>
  `urn:kontor:event:${context}:${type}:${version}`;

/**
 * The JSON Schema (draft 2020-12) of the data of one event type, in the version that is appended now.
 *
 * Objects are open: a version may gain optional fields, and who validates with an older schema must not refuse them.
 *
 * @throws Error if the context has no such event, or its Zod schema says what JSON Schema cannot.
 */
export const eventJsonSchema = (
  { name, events, upcasters }: Pick<Context, 'name' | 'events' | 'upcasters'>,
  type: string,
): Readonly<Record<string, unknown>> => {
  const schema = events[type];
  if (schema === undefined) throw new Error(`${name} has no event ${type}`);
  const { $schema, ...rest } = z.toJSONSchema(schema, {
    override: ({ jsonSchema }) => {
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  });
  const $id = eventSchemaId(name, type, newestVersion(upcasters, type));
  return { $schema, $id, title: `${type}, an event of ${name}`, ...rest };
};
