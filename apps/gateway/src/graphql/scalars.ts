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
    serialize: (value) => (typeof value === 'bigint' ? String(value) : String(value)),
    parseValue: parse,
    parseLiteral: (node: ValueNode) => parse(node.kind === Kind.STRING ? node.value : undefined),
  });
};

const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/;

/** The custom scalars. Strings outside; a position is never a number. */
export const scalars = {
  LogPosition: stringScalar(
    'LogPosition',
    'a decimal integer as a string, from "0"',
    (text) => parsePosition(text) !== undefined,
  ),
  DateTime: stringScalar(
    'DateTime',
    'RFC 3339 with a time zone, as "2026-06-01T12:00:00Z"',
    (text) => RFC_3339.test(text) && !Number.isNaN(Date.parse(text)),
  ),
  Digest: stringScalar('Digest', '"sha256:" and 64 hex digits', (text) => /^sha256:[0-9a-f]{64}$/.test(text)),
  JSON: new GraphQLScalarType<unknown>({
    name: 'JSON',
    serialize: (value) => value,
    parseValue: (value) => value,
    parseLiteral: (node, variables) => valueFromASTUntyped(node, variables),
  }),
};
