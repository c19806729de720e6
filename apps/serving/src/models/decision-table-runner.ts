import { setImmediate as turnEnds } from 'node:timers/promises';
import { celEnv, CelScalar, isCelError, parse, plan, unparse } from '@bufbuild/cel';
import { z } from 'zod';
import { DATATYPES, type Datatype, type Signature, type Tensor } from '../protocol/tensor.js';
import { ModelRefused, type ModelRunner } from './runner.js';

const score = z.number().min(0).max(1);

/** More rules than a person can read are no decision table; the bounds also bound the time of one row. */
const MAX_RULES = 500;
const MAX_CONDITION_LENGTH = 2_000;

/** The file `decision-table.json`. The first rule whose condition holds gives the score. */
export const decisionTable = z.strictObject({
  kontor: z.literal('decision-table@1'),
  inputs: z
    .array(z.strictObject({ name: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), datatype: z.enum(DATATYPES) }))
    .min(1)
    .max(1_000),
  rules: z
    .array(z.strictObject({ when: z.string().min(1).max(MAX_CONDITION_LENGTH), score, note: z.string().optional() }))
    .max(MAX_RULES),
  default: z.strictObject({ score, note: z.string().optional() }),
  /** The label is 1 where the score reaches it. */
  threshold: score,
});
export type DecisionTable = z.output<typeof decisionTable>;

type Scalar = string | number | bigint | boolean;
type Row = Record<string, Scalar>;

const celTypeOf = (datatype: Datatype) => {
  if (datatype === 'BYTES') return CelScalar.STRING;
  if (datatype === 'BOOL') return CelScalar.BOOL;
  return datatype.startsWith('FP') ? CelScalar.DOUBLE : CelScalar.INT;
};

/** A row of ones, to try every part of a condition on: ones, because dividing by zero is no error of type. */
const probeOf = (datatype: Datatype): Scalar => {
  if (datatype === 'BYTES') return '1';
  if (datatype === 'BOOL') return true;
  return datatype.startsWith('FP') ? 1 : 1n;
};

/** All calls and names inside a parsed condition. `&&` would hide an error behind a false left side, so each is tried. */
const partsOf = (node: unknown, into: { calls: unknown[]; names: string[]; loops: number }): typeof into => {
  if (typeof node !== 'object' || node === null) return into;
  const kind = (node as { exprKind?: { case?: string; value?: { name?: string } } }).exprKind;
  if (kind?.case === 'callExpr') into.calls.push(node);
  if (kind?.case === 'identExpr') into.names.push(kind.value?.name ?? '');
  if (kind?.case === 'comprehensionExpr') into.loops += 1;
  for (const child of Object.values(node)) partsOf(child, into);
  return into;
};

const compileRule = (table: DecisionTable, when: string, label: string): ((row: Row) => boolean) => {
  const refuse = (problem: string, cause?: unknown): never => {
    throw new ModelRefused(`${label} (${when}): ${problem}`, cause === undefined ? undefined : { cause });
  };
  const variables = Object.fromEntries(table.inputs.map(({ name, datatype }) => [name, celTypeOf(datatype)]));
  const probe = Object.fromEntries(table.inputs.map(({ name, datatype }) => [name, probeOf(datatype)]));
  const env = celEnv({ variables });
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(when);
  } catch (error) {
    return refuse(`not a CEL expression: ${(error as Error).message}`, error);
  }
  const { calls, names, loops } = partsOf(parsed.expr, { calls: [], names: [], loops: 0 });
  if (loops > 0) refuse('loops over lists are not allowed in a decision table');
  const unknown = names.find((name) => !(name in variables));
  if (unknown !== undefined) refuse(`${unknown} is no input; the inputs are ${Object.keys(variables).join(', ')}`);
  for (const call of calls as (typeof parsed.expr)[]) {
    const value = plan(env, call)(probe);
    if (isCelError(value)) refuse(`${unparse(call)}: ${value.message}`, value);
  }
  const evaluate = plan(env, parsed);
  if (typeof evaluate(probe) !== 'boolean') refuse('the condition must be true or false');
  return (row) => {
    const value = evaluate(row);
    if (isCelError(value)) throw new Error(`${label} (${when}) failed: ${value.message}`, { cause: value });
    return value === true;
  };
};

const elementOf = ({ datatype, data }: Tensor, row: number): Scalar => {
  const value = data[row];
  if (value === undefined) throw new Error(`row ${row} is beyond the batch`);
  if (datatype === 'BOOL') return value === 1;
  return datatype.startsWith('FP') || datatype === 'BYTES' ? value : BigInt(value);
};

/**
 * Makes a runner of a decision table: inputs of shape [−1, 1]; outputs `label` (INT64 [−1]) and `probabilities`
 * (FP32 [−1, 2]: 1 − score, score), the same as a binary ONNX classifier's.
 *
 * @throws ModelRefused that names the field, or the rule and its error
 */
export const openDecisionTable = (bytes: Uint8Array): ModelRunner => {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new ModelRefused('decision-table.json is not valid JSON', { cause: error });
  }
  const parsed = decisionTable.safeParse(json);
  if (!parsed.success) throw new ModelRefused(`decision-table.json: ${z.prettifyError(parsed.error)}`);
  const table = parsed.data;
  const rules = table.rules.map((rule, index) => ({
    score: rule.score,
    holds: compileRule(table, rule.when, `rule ${index + 1}`),
  }));
  const signature: Signature = {
    platform: 'kontor_decision-table@1',
    inputs: table.inputs.map(({ name, datatype }) => ({ name, datatype, shape: [-1, 1] })),
    outputs: [
      { name: 'label', datatype: 'INT64', shape: [-1] },
      { name: 'probabilities', datatype: 'FP32', shape: [-1, 2] },
    ],
  };
  const run = (inputs: readonly Tensor[]): readonly Tensor[] => {
    const rows = inputs[0]?.shape[0] ?? 0;
    const labels = new BigInt64Array(rows);
    const probabilities = new Float32Array(2 * rows);
    // One object for all rows: making one per row costs more than most conditions.
    const row: Row = {};
    for (let index = 0; index < rows; index += 1) {
      for (const input of inputs) row[input.name] = elementOf(input, index);
      const value = rules.find(({ holds }) => holds(row))?.score ?? table.default.score;
      labels[index] = value >= table.threshold ? 1n : 0n;
      probabilities[2 * index] = 1 - value;
      probabilities[2 * index + 1] = value;
    }
    return [
      { name: 'label', datatype: 'INT64', shape: [rows], data: labels },
      { name: 'probabilities', datatype: 'FP32', shape: [rows, 2], data: probabilities },
    ];
  };
  return {
    signature,
    threads: 1,
    waitingRows: 0,
    restarts: 0,
    // In a turn of its own, so that the parts of a long request do not hold up the others.
    run: async (inputs) => {
      await turnEnds();
      return run(inputs);
    },
    close: () => Promise.resolve(),
  };
};
