import {
  type ASTVisitor,
  type DocumentNode,
  type FragmentDefinitionNode,
  getArgumentValues,
  getNamedType,
  getVariableValues,
  GraphQLError,
  type GraphQLSchema,
  isObjectType,
  Kind,
  NoSchemaIntrospectionCustomRule,
  type OperationDefinitionNode,
  type SelectionSetNode,
  type ValidationContext,
  type ValidationRule,
  visit,
} from 'graphql';
import { DEFAULT_PAGE_ROWS } from './connection.js';
import { requestError } from './errors.js';

// The limits hold on every transport. Clients read of them in README.md.

/** A document of the explorer has some 200 tokens; its introspection some 400. */
export const MAX_TOKENS = 2_000;
/** The introspection query of graphql-js is 13 deep below `__schema`, so introspection fields are not counted. */
export const MAX_DEPTH = 10;
export const MAX_ALIASES = 15;
export const MAX_DIRECTIVES = 30;
export const MAX_ROOT_FIELDS = 20;
/** One point per object that may be answered: five full pages with ten objects each. */
export const MAX_COST = 5_000;
/** More errors than this help nobody and cost time. */
export const MAX_VALIDATION_ERRORS = 20;
/** Fragments that use each other can unfold without bound; a reader never meets this many selections. */
const MAX_UNFOLDED_SELECTIONS = 10_000;

/** Apollo writes its own code over that of a rule, so the limit is named twice. */
const DOCUMENT_LIMIT = { code: 'DOCUMENT_LIMIT', limit: true };

interface Shape {
  depth: number;
  aliases: number;
  directives: number;
  rootFields: number;
  selections: number;
  nestedAt: boolean;
}

/** The depth of a field that does not count; so does nothing below it. */
const UNCOUNTED = -Infinity;

const fragmentsOf = (document: DocumentNode): ReadonlyMap<string, FragmentDefinitionNode> =>
  new Map(
    document.definitions.flatMap((node) => (node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node]] : [])),
  );

/** Measures one operation with its fragments unfolded. Stops at the first exceeded bound, so it never runs long. */
const measure = (operation: OperationDefinitionNode, document: DocumentNode): Shape => {
  const fragments = fragmentsOf(document);
  const shape: Shape = { depth: 0, aliases: 0, directives: 0, rootFields: 0, selections: 0, nestedAt: false };
  const walk = (set: SelectionSetNode, depth: number, inAt: boolean, path: ReadonlySet<string>): void => {
    for (const selection of set.selections) {
      shape.selections += 1;
      if (shape.selections > MAX_UNFOLDED_SELECTIONS) return;
      shape.directives += selection.directives?.length ?? 0;
      switch (selection.kind) {
        case Kind.FIELD: {
          const name = selection.name.value;
          if (depth === 1) shape.rootFields += 1;
          if (selection.alias) shape.aliases += 1;
          const isAt = name === 'at' && selection.selectionSet !== undefined;
          if (isAt && inAt) shape.nestedAt = true;
          // Introspection is deep by nature, and a rule of graphql-js bounds that; its aliases count like any others.
          const below = name.startsWith('__') ? UNCOUNTED : depth;
          shape.depth = Math.max(shape.depth, below);
          if (selection.selectionSet) walk(selection.selectionSet, below + 1, inAt || isAt, path);
          break;
        }
        case Kind.INLINE_FRAGMENT:
          walk(selection.selectionSet, depth, inAt, path);
          break;
        case Kind.FRAGMENT_SPREAD: {
          const fragment = fragments.get(selection.name.value);
          // A cycle is reported by the rule of the specification; here it only must not be followed.
          if (fragment && !path.has(selection.name.value)) {
            walk(fragment.selectionSet, depth, inAt, new Set([...path, selection.name.value]));
          }
        }
      }
    }
  };
  walk(operation.selectionSet, 1, false, new Set());
  return shape;
};

const limitRule =
  (): ValidationRule =>
  (context: ValidationContext): ASTVisitor => ({
    OperationDefinition: (operation) => {
      const shape = measure(operation, context.getDocument());
      const refuse = (message: string): void =>
        context.reportError(new GraphQLError(message, { nodes: operation, extensions: DOCUMENT_LIMIT }));
      const bounds = [
        ['depth', shape.depth, MAX_DEPTH],
        ['aliases', shape.aliases, MAX_ALIASES],
        ['directives', shape.directives, MAX_DIRECTIVES],
        ['root fields', shape.rootFields, MAX_ROOT_FIELDS],
        ['selections', shape.selections, MAX_UNFOLDED_SELECTIONS],
      ] as const;
      for (const [what, actual, allowed] of bounds) {
        if (actual > allowed) refuse(`The operation has ${actual} ${what}; allowed are ${allowed}.`);
      }
      if (shape.nestedAt) refuse('`at` inside `at` is refused: ask for one moment per branch.');
    },
  });

/** The project's validation rules, the same for HTTP and WebSocket. */
export const limitRules = ({ introspection }: { introspection: boolean }): readonly ValidationRule[] => [
  limitRule(),
  ...(introspection ? [] : [NoSchemaIntrospectionCustomRule]),
];

/**
 * The cost of an operation with its variables: one point per object that the answer may hold. A connection counts its
 * page size, `nodes` its ids; lists inside a row are part of the row.
 *
 * @param variables coerced values.
 */
const costOf = (
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  variables: Readonly<Record<string, unknown>>,
): number => {
  const fragments = fragmentsOf(document);
  const costOfSet = (set: SelectionSetNode, typeName: string | undefined): number => {
    const type = typeName === undefined ? undefined : schema.getType(typeName);
    let cost = 0;
    for (const selection of set.selections) {
      if (selection.kind === Kind.INLINE_FRAGMENT) {
        cost += costOfSet(selection.selectionSet, selection.typeCondition?.name.value ?? typeName);
      } else if (selection.kind === Kind.FRAGMENT_SPREAD) {
        const fragment = fragments.get(selection.name.value);
        if (fragment) cost += costOfSet(fragment.selectionSet, fragment.typeCondition.name.value);
      } else if (selection.selectionSet) {
        const field = type && isObjectType(type) ? type.getFields()[selection.name.value] : undefined;
        const values = field ? getArgumentValues(field, selection, variables) : {};
        const size = field?.args.some(({ name }) => name === 'first')
          ? Number(values['first'] ?? DEFAULT_PAGE_ROWS)
          : Array.isArray(values['ids'])
            ? values['ids'].length
            : 1;
        const inner = costOfSet(selection.selectionSet, field ? getNamedType(field.type).name : undefined);
        cost += 1 + Math.max(size, 1) * inner + (field && size > 1 ? size : 0);
      }
    }
    return cost;
  };
  const roots = {
    query: schema.getQueryType(),
    mutation: schema.getMutationType(),
    subscription: schema.getSubscriptionType(),
  };
  return costOfSet(operation.selectionSet, roots[operation.operation]?.name);
};

/**
 * Refuses an operation by what is known once it is chosen: variables that do not fit, text that no database holds, and
 * too high a cost. The same on every transport, after validation and before anything runs.
 *
 * @returns the errors of the variables; empty if the operation may run.
 * @throws COST_LIMIT, BAD_USER_INPUT
 */
export const refuseOperation = (
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
  given: Readonly<Record<string, unknown>>,
): readonly GraphQLError[] => {
  // Coerced, because a page size may come from the default of a variable.
  const { coerced, errors } = getVariableValues(schema, operation.variableDefinitions ?? [], given, {
    maxErrors: MAX_VALIDATION_ERRORS,
  });
  if (errors) return errors;
  visit(document, { StringValue: ({ value }) => refuseUnstorableText(value, 'a string of the document') });
  for (const [name, value] of Object.entries(coerced)) refuseUnstorableText(value, `$${name}`);
  const cost = costOf(schema, document, operation, coerced);
  if (cost > MAX_COST) {
    const message = `The operation costs ${cost} points; allowed are ${MAX_COST}. Ask for fewer rows.`;
    throw requestError('COST_LIMIT', message, { cost, allowed: MAX_COST });
  }
  return [];
};

/** PostgreSQL holds no U+0000, and UTF-8 no half of a surrogate pair. @throws BAD_USER_INPUT */
const refuseUnstorableText = (value: unknown, where: string): void => {
  if (typeof value === 'string') {
    if (value.includes('\0') || !value.isWellFormed()) {
      throw requestError('BAD_USER_INPUT', `${where}: must be well-formed Unicode without U+0000`);
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, member] of Object.entries(value)) {
      refuseUnstorableText(name, where);
      refuseUnstorableText(member, `${where}.${name}`);
    }
  }
};

/** Hints name parts of the schema that the caller may not know. */
export const withoutSuggestions = (message: string): string => message.replace(/ ?Did you mean .*\?$/s, '');
