import { parse } from '@bufbuild/cel';
import type { GateRule } from './events.js';
import { agree, APPROVAL_FIELDS, canBeRequired, factType, isList, isThere, nameOf, type Type } from './rule-types.js';

type Expr = NonNullable<ReturnType<typeof parse>['expr']>;

/** A deeper tree than this is no rule that a person reads; it bounds the recursion here and in the evaluator. */
const MAX_DEPTH = 40;
/** Each level multiplies the work; two compare every person with every other one. */
const MAX_NESTING = 2;
/** Visits of a part of the rule, about 0.1 µs each: the evaluator has no budget of its own. */
const MAX_VISITS = 50_000;

const METHODS: ReadonlySet<string> = new Set(['contains', 'startsWith', 'endsWith']);
const ORDERED: readonly Type[] = ['whole number', 'decimal number', 'text'];

/** `a.b.c` as a path, undefined if the expression is no chain of names. */
const pathOf = ({ exprKind }: Expr): string | undefined => {
  if (exprKind.case === 'identExpr') return exprKind.value.name;
  if (exprKind.case !== 'selectExpr' || !exprKind.value.operand || exprKind.value.testOnly) return undefined;
  const operand = pathOf(exprKind.value.operand);
  return operand === undefined ? undefined : `${operand}.${exprKind.value.field}`;
};

/** What is gathered on the way over one rule. */
interface Walk {
  readonly requires: readonly string[];
  readonly problems: Set<string>;
  visits: number;
}

interface Place {
  readonly walk: Walk;
  /** Names that the rule itself binds. */
  readonly bound: ReadonlyMap<string, Type>;
  readonly depth: number;
  readonly nesting: number;
  /** How often this part is visited in one evaluation. */
  readonly visits: number;
}

const problem = ({ problems }: Walk, what: string): 'unknown' => {
  problems.add(what);
  return 'unknown';
};

/** What a part of a rule is; what is wrong with it is added to the walk. */
const typeOf = (expr: Expr | undefined, place: Place): Type => {
  const { walk } = place;
  const here = { ...place, depth: place.depth + 1 };
  if (here.depth > MAX_DEPTH) return problem(walk, `is nested deeper than ${MAX_DEPTH} levels`);
  walk.visits += place.visits;
  const kind = expr?.exprKind;
  switch (kind?.case) {
    case 'constExpr':
      return literal(kind.value.constantKind.case, walk);
    case 'identExpr':
    case 'selectExpr':
      return named(expr as Expr, here);
    case 'callExpr': {
      const { target, args, function: name } = kind.value;
      return call(
        name,
        [...(target ? [target] : []), ...args].map((arg) => typeOf(arg, here)),
        walk,
      );
    }
    case 'listExpr': {
      const [first = 'unknown', ...others] = kind.value.elements.map((element) => typeOf(element, here));
      if (others.some((other) => !agree(first, other))) problem(walk, 'has a list of different types');
      return { of: first, size: kind.value.elements.length };
    }
    case 'comprehensionExpr':
      return comprehension(kind.value, here);
    default:
      return problem(walk, 'builds a message or a map; a rule only compares');
  }
};

const literal = (kind: string | undefined, walk: Walk): Type => {
  switch (kind) {
    case 'boolValue':
      return 'yes or no';
    case 'int64Value':
      return 'whole number';
    case 'doubleValue':
      return 'decimal number';
    case 'stringValue':
      return 'text';
    default:
      return problem(walk, 'has a literal that is no text, number, true or false');
  }
};

const named = (expr: Expr, place: Place): Type => {
  const { walk } = place;
  const { exprKind } = expr;
  const path = pathOf(expr);
  const bound = path === undefined ? undefined : place.bound.get(path);
  if (bound) return bound;
  const isField = path === undefined || place.bound.has(path.slice(0, path.indexOf('.')));
  if (exprKind.case === 'selectExpr' && exprKind.value.testOnly) {
    return problem(walk, 'uses has(); require the fact instead, and the gate asks for it while it is missing');
  }
  if (exprKind.case === 'selectExpr' && isField) {
    const operand = typeOf(exprKind.value.operand, place);
    const { field } = exprKind.value;
    if (operand === 'unknown' || (operand === 'approval' && APPROVAL_FIELDS.has(field))) return 'text';
    return problem(walk, `names the field ${field} of ${nameOf(operand)}; an approval has actor and role`);
  }
  const type = path === undefined ? undefined : factType(path);
  if (path === undefined || type === undefined) return problem(walk, `names ${path ?? '?'}, which is no fact`);
  if (!isThere(path, walk.requires)) problem(walk, `names ${path}, which it does not require`);
  return type;
};

const call = (name: string, types: readonly Type[], walk: Walk): Type => {
  const [a = 'unknown', b = 'unknown', c = 'unknown'] = types;
  const wants = (allowed: boolean, what: string): void => {
    if (!allowed) problem(walk, `${what}, not ${types.map(nameOf).join(' and ')}`);
  };
  const among = (allowed: readonly Type[]): boolean =>
    types.every((type) => type === 'unknown' || allowed.includes(type));
  const shown = name.replaceAll('_', '').replace('@', '');
  switch (name) {
    case '_&&_':
    case '_||_':
    case '!_':
    case '@not_strictly_false':
      wants(among(['yes or no']), `${shown} joins yes or no`);
      return 'yes or no';
    case '_==_':
    case '_!=_':
      // 0.1 + 0.2 is not 0.3.
      wants(agree(a, b) && among(['yes or no', 'whole number', 'text']), `${shown} compares texts or whole numbers`);
      return 'yes or no';
    case '_<_':
    case '_<=_':
    case '_>_':
    case '_>=_':
      wants(agree(a, b) && among(ORDERED), `${shown} compares two of a kind (0.5 with 1.0, 1 with 2)`);
      return 'yes or no';
    case '_+_':
      if (isList(a) && isList(b) && agree(a, b)) return { of: a.of === 'unknown' ? b.of : a.of, size: a.size + b.size };
      wants(agree(a, b) && among(ORDERED), `${shown} adds two of a kind`);
      return a;
    case '_-_':
    case '_*_':
      wants(agree(a, b) && among(['whole number', 'decimal number']), `${shown} takes two numbers of a kind`);
      return a;
    case '_/_':
      // A whole number divided by 0 is an error, which || would absorb.
      wants(among(['decimal number']), '/ divides decimal numbers');
      return 'decimal number';
    case '-_':
      wants(among(['whole number', 'decimal number']), '- takes a number');
      return a;
    case '_?_:_':
      wants(agree(a, 'yes or no') && agree(b, c), '?: takes yes or no and two of a kind');
      return b;
    case '@in':
      wants(b === 'unknown' || (isList(b) && agree(a, b.of)), 'in takes an element and a list of such');
      return 'yes or no';
    case 'size':
      wants(types.length === 1 && (isList(a) || agree(a, 'text')), 'size() takes a list or a text');
      return 'whole number';
    default:
      if (!METHODS.has(name)) {
        const allowed = ['size', ...METHODS, 'all', 'exists', 'exists_one', 'filter', 'map'].join(', ');
        return problem(walk, `calls ${shown}, which is none of ${allowed}`);
      }
      wants(types.length === 2 && among(['text']), `${name}() takes a text`);
      return 'yes or no';
  }
};

const comprehension = (loop: Extract<Expr['exprKind'], { case: 'comprehensionExpr' }>['value'], place: Place): Type => {
  const { walk } = place;
  const range = typeOf(loop.iterRange, place);
  if (range === 'unknown') return 'unknown';
  if (!isList(range) || loop.iterVar2 !== '')
    return problem(walk, `walks over a ${nameOf(range)}; only lists are walked`);
  if (place.nesting === MAX_NESTING) return problem(walk, `walks through lists more than ${MAX_NESTING} deep`);
  const init = typeOf(loop.accuInit, place);
  const inside = (result: Type): Place => ({
    ...place,
    bound: new Map(place.bound).set(loop.iterVar, range.of).set(loop.accuVar, result),
    nesting: place.nesting + 1,
    visits: place.visits * range.size,
  });
  typeOf(loop.loopCondition, inside(init));
  const step = typeOf(loop.loopStep, inside(isList(init) ? { ...init, size: range.size } : init));
  return typeOf(loop.result, {
    ...inside(isList(step) ? { ...step, size: range.size } : step),
    visits: place.visits,
  });
};

/**
 * What is wrong with a rule, in sentences; empty if nothing is.
 *
 * A rule that has no problem can be evaluated, whatever the facts are: every part has the type that its place asks for,
 * and the work is bounded. It names only facts that it requires or that always exist, so what is missing is asked for
 * before the evaluation and never decides: an error inside CEL is absorbed by `||` and `exists`, and `has()` could turn
 * a missing fact into a pass.
 *
 * @source CEL specification, "Logical operators"; reproduced with `@bufbuild/cel` 0.6.1 in the spec.
 */
export const ruleProblems = ({ id, when, requires }: GateRule): readonly string[] => {
  const walk: Walk = { requires, problems: new Set(), visits: 0 };
  for (const path of requires) if (!canBeRequired(path)) problem(walk, `requires ${path}, which is no fact`);
  try {
    const type = typeOf(parse(when).expr, { walk, bound: new Map(), depth: 0, nesting: 0, visits: 1 });
    if (!agree(type, 'yes or no')) problem(walk, `is a ${nameOf(type)}; a rule is yes or no`);
    if (walk.visits > MAX_VISITS) problem(walk, `takes ${walk.visits} steps; at most ${MAX_VISITS} are allowed`);
  } catch (error) {
    // The parser is recursive and so has no better word for a text of a thousand brackets.
    const isDeep = error instanceof RangeError;
    const message = error instanceof Error ? error.message : String(error);
    problem(walk, isDeep ? `is nested deeper than ${MAX_DEPTH} levels` : `is no CEL expression: ${message}`);
  }
  return [...walk.problems].map((what) => `Rule ${id} ${what}.`);
};
