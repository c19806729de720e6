import { z } from 'zod';
import type { Context } from './context.js';
import { PERSONAL_ANNOTATION, storedPersonalSchema } from './personal.js';
import { newestVersion } from './upcast.js';

/** The name of an event's schema, in the schema itself (`$id`) and in each message (`ce-dataschema`). */
export const eventSchemaId = (context: string, type: string, version: number): string =>
  `urn:kontor:event:${context}:${type}:${version}`;

/**
 * The JSON Schema (draft 2020-12) of the data of one event type, in the version that is appended now.
 *
 * Objects are open: a version may gain optional fields, and who validates with an older schema must not refuse them. A
 * personal value has the form in which it is stored: encrypted.
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
    override: ({ zodSchema, jsonSchema }) => {
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
      const { [PERSONAL_ANNOTATION]: _, ...plain } = jsonSchema;
      const stored = storedPersonalSchema(zodSchema, plain);
      if (!stored) return;
      for (const name of Object.keys(jsonSchema)) delete jsonSchema[name];
      Object.assign(jsonSchema, stored);
    },
  });
  const $id = eventSchemaId(name, type, newestVersion(upcasters, type));
  return { $schema, $id, title: `${type}, an event of ${name}`, ...rest };
};
