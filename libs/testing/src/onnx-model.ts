/**
 * ONNX files made on the spot, so that a spec can have a model of any type and size without Python.
 *
 * @source onnx.proto of ONNX 1.16 (field numbers), protocol buffers' wire format
 */

/** onnx.proto, TensorProto.DataType. */
const ELEMENT_TYPE = {
  float: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  double: 11,
  uint32: 12,
  uint64: 13,
} as const;

export type OnnxType = keyof typeof ELEMENT_TYPE;

export interface OnnxValue {
  readonly name: string;
  readonly type: OnnxType;
  /** A text is a dimension that the request chooses. */
  readonly shape: readonly (number | string)[];
}

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Of `ai.onnx.ml` instead of ONNX itself. */
  readonly isMl?: boolean;
  /** A number is an INT, an array INTS or STRINGS. */
  readonly attributes?: Readonly<
    Record<string, number | { readonly floats: readonly number[] } | readonly number[] | readonly string[]>
  >;
}

const varint = (value: number): number[] => {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
  return [...bytes, rest];
};
const int = (field: number, value: number): Buffer => Buffer.from([...varint(field * 8), ...varint(value)]);
const bytes = (field: number, ...content: readonly Uint8Array[]): Buffer => {
  const joined = Buffer.concat(content);
  return Buffer.concat([Buffer.from([...varint(field * 8 + 2), ...varint(joined.length)]), joined]);
};
const text = (field: number, value: string): Buffer => bytes(field, Buffer.from(value));
const packedFloats = (field: number, values: readonly number[]): Buffer =>
  bytes(field, new Uint8Array(new Float32Array(values).buffer));
const packedInts = (field: number, values: readonly number[]): Buffer =>
  bytes(field, Buffer.from(values.flatMap(varint)));

const valueInfo = (field: number, { name, type, shape }: OnnxValue): Buffer => {
  const dimensions = shape.map((size) => bytes(1, typeof size === 'number' ? int(1, size) : text(2, size)));
  const tensor = bytes(1, int(1, ELEMENT_TYPE[type]), bytes(2, ...dimensions));
  return bytes(field, text(1, name), bytes(2, tensor));
};

const attribute = (name: string, value: NonNullable<OnnxNode['attributes']>[string]): Buffer => {
  const typed = ((): Buffer[] => {
    if (typeof value === 'number') return [int(3, value), int(20, 2)];
    if ('floats' in value) return [packedFloats(7, value.floats), int(20, 6)];
    if (value.every((one) => typeof one === 'number')) return [packedInts(8, value), int(20, 7)];
    return [...value.map((one) => text(9, String(one))), int(20, 8)];
  })();
  return bytes(5, text(1, name), ...typed);
};

const node = ({ op, inputs, outputs, isMl = false, attributes = {} }: OnnxNode): Buffer =>
  bytes(
    1,
    ...inputs.map((input) => text(1, input)),
    ...outputs.map((output) => text(2, output)),
    text(4, op),
    ...Object.entries(attributes).map(([name, value]) => attribute(name, value)),
    ...(isMl ? [text(7, 'ai.onnx.ml')] : []),
  );

/** The bytes of a model file. Opset 17, ai.onnx.ml 3: what onnxruntime 1.15 and newer load. */
export const onnxModel = (
  inputs: readonly OnnxValue[],
  outputs: readonly OnnxValue[],
  nodes: readonly OnnxNode[],
): Uint8Array =>
  Buffer.concat([
    int(1, 8),
    bytes(8, int(2, 17)),
    bytes(8, text(1, 'ai.onnx.ml'), int(2, 3)),
    bytes(
      7,
      ...nodes.map(node),
      text(2, 'kontor'),
      ...inputs.map((value) => valueInfo(11, value)),
      ...outputs.map((value) => valueInfo(12, value)),
    ),
  ]);

export interface TreeModel {
  /** The file: `x` [rows, width] to `y` [rows, 1]. */
  readonly model: Uint8Array;
  /** What the model answers to one row, computed without it; agrees but for the rounding of a sum of FP32. */
  answer(row: ArrayLike<number>): number;
}

/** A regressor as gradient boosting makes them: full binary trees, whose splits and leaves come from `chance`, summed. */
export const treeModel = (
  { trees, depth, width }: { readonly trees: number; readonly depth: number; readonly width: number },
  chance: () => number,
): TreeModel => {
  const inner = 2 ** depth - 1;
  const perTree = 2 * inner + 1;
  const nodes = Array.from({ length: trees * perTree }, (_, index) => {
    const id = index % perTree;
    const isLeaf = id >= inner;
    return {
      tree: Math.floor(index / perTree),
      id,
      isLeaf,
      feature: isLeaf ? 0 : Math.floor(chance() * width),
      threshold: isLeaf ? 0 : Math.fround(chance()),
      weight: isLeaf ? Math.fround(chance() / trees) : 0,
    };
  });
  const leaves = nodes.filter(({ isLeaf }) => isLeaf);
  const attributes = {
    n_targets: 1,
    nodes_treeids: nodes.map(({ tree }) => tree),
    nodes_nodeids: nodes.map(({ id }) => id),
    nodes_featureids: nodes.map(({ feature }) => feature),
    nodes_values: { floats: nodes.map(({ threshold }) => threshold) },
    nodes_modes: nodes.map(({ isLeaf }) => (isLeaf ? 'LEAF' : 'BRANCH_LEQ')),
    nodes_truenodeids: nodes.map(({ id, isLeaf }) => (isLeaf ? 0 : 2 * id + 1)),
    nodes_falsenodeids: nodes.map(({ id, isLeaf }) => (isLeaf ? 0 : 2 * id + 2)),
    target_treeids: leaves.map(({ tree }) => tree),
    target_nodeids: leaves.map(({ id }) => id),
    target_ids: leaves.map(() => 0),
    target_weights: { floats: leaves.map(({ weight }) => weight) },
  };
  const answer = (row: ArrayLike<number>): number => {
    let sum = 0;
    for (let tree = 0; tree < trees; tree += 1) {
      let node = nodes[tree * perTree];
      while (node && !node.isLeaf) {
        const isLeft = Math.fround(row[node.feature] ?? NaN) <= node.threshold;
        node = nodes[tree * perTree + 2 * node.id + (isLeft ? 1 : 2)];
      }
      sum += node?.weight ?? NaN;
    }
    return sum;
  };
  const model = onnxModel(
    [{ name: 'x', type: 'float', shape: ['rows', width] }],
    [{ name: 'y', type: 'float', shape: ['rows', 1] }],
    [{ op: 'TreeEnsembleRegressor', isMl: true, inputs: ['x'], outputs: ['y'], attributes }],
  );
  return { model, answer };
};
