import { parsePosition } from '@kontor/event-sourcing';
import { GraphQLError, GraphQLScalarType, Kind, type ValueNode, valueFromASTUntyped } from 'graphql';

const stringScalar = (name: string, allowed: string, accepts: (text: string) => boolean): GraphQLScalarType => {
  const parse = (value: unknown): string => {
    if (typeof value === 'string' && accepts(value)) return value;
    throw new GraphQLError(`${name}: ${JSON.stringify(value)?.slice(0, 100)} is not allowed; it must be ${allowed}`, {
      extensions: { code: 'BAD_USER_INPUT' },
    });
  };
  return new GraphQLScalarType<string, string>({
    name,
    serialize: String,
    parseValue: parse,
    parseLiteral: (node: ValueNode) => parse(node.kind === Kind.STRING ? node.value : undefined),
  });
};

/** Offsets as far as PostgreSQL has them. */
const RFC_3339 = /^(?!0000)(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(\.\d{1,9})?(Z|[+-](0\d|1[0-5]):[0-5]\d)$/;

/** Whether the calendar has the instant: JavaScript would read 30 February as 2 March. */
const isInstant = (text: string): boolean => {
  const clock = RFC_3339.exec(text)?.[1];
  if (clock === undefined) return false;
  const read = new Date(`${clock}Z`);
  return !Number.isNaN(read.getTime()) && read.toISOString().startsWith(clock);
};

/** The custom scalars. Strings outside; a position is never a number. */
export const scalars = {
  LogPosition: stringScalar(
    'LogPosition',
    'a decimal integer as a string, from "0"',
    (text) => parsePosition(text) !== undefined,
  ),
  DateTime: stringScalar('DateTime', 'RFC 3339 with a time zone, as "2026-06-01T12:00:00Z"', isInstant),
  Digest: stringScalar('Digest', '"sha256:" and 64 hex digits', (text) => /^sha256:[0-9a-f]{64}$/.test(text)),
  JSON: new GraphQLScalarType<unknown>({
    name: 'JSON',
    serialize: (value) => value,
    parseValue: (value) => value,
    parseLiteral: (node, variables) => valueFromASTUntyped(node, variables),
  }),
};
