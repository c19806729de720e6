/** The datatypes of the Open Inference Protocol that JSON can carry; FP16 has no JSON form. */
export const DATATYPES = [
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP32',
  'FP64',
  'BYTES',
] as const;
export type Datatype = (typeof DATATYPES)[number];

/** Row-major values. BOOL is a Uint8Array of 0 and 1, BYTES an array of texts. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | readonly string[];

export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** An input or output of a model. In `shape`, −1 is a dimension that each request chooses. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

export interface Signature {
  /** As in OIP's model metadata: `onnx_onnxv1`, `kontor_decision-table@1`. */
  readonly platform: string;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}

/** Largest rank that is read: what onnxruntime's models use stays far below, and reading nests this deep at most. */
export const MAX_RANK = 8;

/** An empty container for `length` elements. */
export const allocate = (
  datatype: Exclude<Datatype, 'BYTES'>,
  length: number,
): Exclude<TensorData, readonly string[]> => {
  switch (datatype) {
    case 'FP32':
      return new Float32Array(length);
    case 'FP64':
      return new Float64Array(length);
    case 'INT8':
      return new Int8Array(length);
    case 'INT16':
      return new Int16Array(length);
    case 'INT32':
      return new Int32Array(length);
    case 'INT64':
      return new BigInt64Array(length);
    case 'BOOL':
    case 'UINT8':
      return new Uint8Array(length);
    case 'UINT16':
      return new Uint16Array(length);
    case 'UINT32':
      return new Uint32Array(length);
    case 'UINT64':
      return new BigUint64Array(length);
  }
};

/** A value as JSON can hold it: a 64-bit integer that a double cannot hold exactly becomes a text. */
export const jsonValue = (datatype: Datatype, value: number | bigint | string): number | string | boolean => {
  if (datatype === 'BOOL') return value === 1;
  if (typeof value !== 'bigint') return value;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
};

/** The values of a tensor as JSON can hold them, in row-major order. */
export const jsonValues = ({ datatype, data }: Tensor): (number | string | boolean)[] => {
  const values: (number | string | boolean)[] = [];
  for (const value of data) values.push(jsonValue(datatype, value));
  return values;
};

/** How many values of a tensor are NaN or infinite. */
export const countNonFinite = ({ data }: Tensor): number => {
  if (!(data instanceof Float32Array || data instanceof Float64Array)) return 0;
  let count = 0;
  for (const value of data) if (!Number.isFinite(value)) count += 1;
  return count;
};

/** Tensors of one input or output that differ in their rows only, as one, in the order given. */
export const joinRows = (parts: readonly Tensor[]): Tensor => {
  const [first] = parts;
  if (!first) throw new Error('there is nothing to join');
  const { name, datatype } = first;
  const shape = [parts.reduce((rows, part) => rows + (part.shape[0] ?? 0), 0), ...first.shape.slice(1)];
  if (datatype === 'BYTES') return { name, datatype, shape, data: parts.flatMap(({ data }) => data as string[]) };
  const data = allocate(
    datatype,
    parts.reduce((length, part) => length + part.data.length, 0),
  );
  let offset = 0;
  for (const part of parts) {
    // Both were allocated for this datatype.
    data.set(part.data as never, offset);
    offset += part.data.length;
  }
  return { name, datatype, shape, data };
};

/** `count` rows from row `from` on. Numbers are shared with the tensor, not copied. */
export const sliceRows = ({ name, datatype, shape, data }: Tensor, from: number, count: number): Tensor => {
  const [rows = 1, ...inner] = shape;
  const width = data.length / rows;
  const start = from * width;
  const end = (from + count) * width;
  const part =
    datatype === 'BYTES' ? (data as string[]).slice(start, end) : (data as Float32Array).subarray(start, end);
  return { name, datatype, shape: [count, ...inner], data: part };
};
