import { parse } from '@bufbuild/cel';
import type { GateRule } from './events.js';
import { EVIDENCE_NAMES } from './facts.js';

type Expr = NonNullable<ReturnType<typeof parse>['expr']>;

/** Facts that always exist, so a rule need not require them. */
const ALWAYS = new Set([
  'environment',
  'endpoint',
  'tier',
  'suspended',
  'requestedBy',
  'authors',
  'validApprovals',
  'rejections',
]);
const EVIDENCE_FIELDS = new Set(['ageHours', 'author', 'reviewer', 'metrics']);
const EVIDENCE_TYPES: ReadonlySet<string> = new Set(Object.values(EVIDENCE_NAMES));
/** A deeper tree than this is no rule that a person reads; it bounds the recursion here and in the evaluator. */
const MAX_DEPTH = 40;

interface Named {
  readonly path: string;
  readonly guarded: boolean;
}

/** `a.b.c` as a path, undefined if the operand is no chain of names. */
const pathOf = (expr: Expr): string | undefined => {
  const { exprKind } = expr;
  if (exprKind.case === 'identExpr') return exprKind.value.name;
  if (exprKind.case !== 'selectExpr' || !exprKind.value.operand) return undefined;
  const operand = pathOf(exprKind.value.operand);
  return operand === undefined ? undefined : `${operand}.${exprKind.value.field}`;
};

/** Every path of facts that an expression reads, and whether a `has()` left of an `&&` guards it. */
const namedPaths = (expr: Expr, bound: ReadonlySet<string>, guards: ReadonlySet<string>, depth = 0): Named[] => {
  if (depth > MAX_DEPTH) throw new Error(`is nested deeper than ${MAX_DEPTH} levels`);
  const { exprKind } = expr;
  const visit = (inner: Expr | undefined, more = bound, has = guards): Named[] =>
    inner ? namedPaths(inner, more, has, depth + 1) : [];
  switch (exprKind.case) {
    case 'identExpr':
    case 'selectExpr': {
      const path = pathOf(expr);
      if (path === undefined) return exprKind.case === 'selectExpr' ? visit(exprKind.value.operand) : [];
      const root = path.split('.')[0] ?? path;
      if (bound.has(root)) return [];
      if (exprKind.case === 'selectExpr' && exprKind.value.testOnly) {
        // has(a.b.c) asks for c only; a.b must be there all the same.
        return visit(exprKind.value.operand);
      }
      return [{ path, guarded: guards.has(path) }];
    }
    case 'callExpr': {
      const { target, args, function: name } = exprKind.value;
      if (name === '_&&_') {
        const [left, right] = args;
        return [...visit(left), ...visit(right, bound, new Set([...guards, ...tested(left)]))];
      }
      return [...visit(target), ...args.flatMap((arg) => visit(arg))];
    }
    case 'listExpr':
      return exprKind.value.elements.flatMap((element) => visit(element));
    case 'comprehensionExpr': {
      const { iterVar, iterVar2, accuVar, iterRange, accuInit, loopCondition, loopStep, result } = exprKind.value;
      const inner = new Set([...bound, iterVar, iterVar2, accuVar]);
      return [
        ...visit(iterRange),
        ...visit(accuInit),
        ...[loopCondition, loopStep, result].flatMap((part) => visit(part, inner)),
      ];
    }
    case 'structExpr':
      throw new Error('builds a message or a map; rules only compare');
    default:
      return [];
  }
};

/** Paths that are certain where the expression is true: those under `has()` joined by `&&`. */
const tested = (expr: Expr | undefined): string[] => {
  if (expr?.exprKind.case === 'selectExpr' && expr.exprKind.value.testOnly) return [pathOf(expr) ?? ''];
  if (expr?.exprKind.case === 'callExpr' && expr.exprKind.value.function === '_&&_') {
    return expr.exprKind.value.args.flatMap((arg) => tested(arg));
  }
  return [];
};

const isKnown = (path: string): boolean => {
  const [root = '', type, field, metric, ...rest] = path.split('.');
  if (ALWAYS.has(root)) return type === undefined;
  if (root !== 'evidence' || rest.length > 0) return false;
  if (type !== undefined && !EVIDENCE_TYPES.has(type)) return false;
  if (field !== undefined && !EVIDENCE_FIELDS.has(field)) return false;
  return metric === undefined || field === 'metrics';
};

const isCovered = (path: string, requires: readonly string[]): boolean => {
  const [root = ''] = path.split('.');
  if (ALWAYS.has(root) || path === 'evidence') return true;
  // A required path brings its parents, and an evidence its fixed fields, but never a metric that it does not name.
  const [, type = '', , metric] = path.split('.');
  if (requires.some((required) => required === path || required.startsWith(`${path}.`))) return true;
  const evidence = `evidence.${type}`;
  return metric === undefined && requires.some((r) => r === evidence || r.startsWith(`${evidence}.`));
};

/**
 * What is wrong with a rule, in sentences; empty if nothing is.
 *
 * An error inside CEL is absorbed by `||` and `exists`, so a missing fact could turn a rule true. Therefore a rule may name
 * only facts that it requires, that always exist, or that a `has()` guards.
 *
 * @source CEL specification, "Logical operators"; reproduced with `@bufbuild/cel` 0.6.1 in the spec.
 */
export const ruleProblems = ({ id, when, requires }: GateRule): readonly string[] => {
  const unknown = requires
    .filter((path) => !isKnown(path))
    .map((path) => `Rule ${id} requires ${path}, which is no fact.`);
  try {
    const named = namedPaths(parse(when).expr, new Set(), new Set());
    const problems = named.flatMap(({ path, guarded }) => {
      if (!isKnown(path)) return [`Rule ${id} names ${path}, which is no fact.`];
      if (guarded || isCovered(path, requires)) return [];
      return [`Rule ${id} names ${path}, which it neither requires nor guards with has().`];
    });
    return [...new Set([...unknown, ...problems])];
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return [...unknown, `Rule ${id} is no CEL expression that can be checked: ${message}.`];
  }
};
