import { z } from 'zod';
import { readElement } from './element.js';
import { type ErrorCode, ProtocolError } from './protocol-error.js';
import {
  allocate,
  DATATYPES,
  type Datatype,
  MAX_RANK,
  type Signature,
  type Tensor,
  type TensorSpec,
} from './tensor.js';

/** A request that may enter native code: every input of the signature once, in the signature's order. */
export interface InferRequest {
  readonly id?: string;
  readonly inputs: readonly Tensor[];
  /** Names of the outputs that were asked for; absent means all. */
  readonly outputs?: readonly string[];
  /** The batch size: the first dimension that the model leaves open; 1 if there is none. */
  readonly rows: number;
  /** `parameters.event_time` in milliseconds since 1970. */
  readonly eventTimeMs?: number;
}

type Fields = Readonly<Record<string, unknown>>;

/** A client's id is echoed and may be a routing key; no id that is meant as one is longer. */
const MAX_ID_LENGTH = 200;

const rfc3339 = z.iso.datetime({ offset: true });

const refuse = (code: ErrorCode, message: string, input?: string): never => {
  throw new ProtocolError(code, message, input === undefined ? {} : { input });
};

/** Says of what is refused while reading an input which input that was. */
const about = <T>(input: string, read: () => T): T => {
  try {
    return read();
  } catch (cause) {
    throw cause instanceof ProtocolError ? new ProtocolError(cause.code, cause.message, { cause, input }) : cause;
  }
};

const describe = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'absent';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
};

const fieldsOf = (value: unknown, path: string, allowed: readonly string[]): Fields => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refuse('INVALID_REQUEST', `${path} is ${describe(value)}; it must be an object.`);
  }
  const extra = Object.keys(value).find((key) => !allowed.includes(key));
  if (extra !== undefined) {
    return refuse(
      'INVALID_REQUEST',
      `${path} has the unknown field ${describe(extra)}; allowed are ${allowed.join(', ')}.`,
    );
  }
  return value as Fields;
};

const readParameters = (value: unknown, path: string): Fields => {
  if (value === undefined) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refuse('INVALID_REQUEST', `${path} is ${describe(value)}; it must be an object.`);
  }
  for (const [name, parameter] of Object.entries(value)) {
    if (!['string', 'number', 'boolean'].includes(typeof parameter)) {
      return refuse(
        'INVALID_REQUEST',
        `${path}.${name} is ${describe(parameter)}; it must be a text, a number or a boolean.`,
      );
    }
    if (name.startsWith('binary_data')) {
      return refuse(
        'UNSUPPORTED',
        `${path}.${name} belongs to the binary extension, which this server does not have; send JSON.`,
      );
    }
  }
  return value as Fields;
};

const readShape = (value: unknown, path: string, spec: TensorSpec): number[] => {
  if (!Array.isArray(value))
    return refuse('INVALID_TENSOR', `${path} is ${describe(value)}; it must be an array of sizes.`);
  if (value.length > MAX_RANK)
    return refuse('INVALID_TENSOR', `${path} has ${value.length} dimensions; at most ${MAX_RANK} are read.`);
  const expected = `[${spec.shape.join(', ')}]`;
  const sizes = value.map((size: unknown, axis) => {
    if (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0) return size;
    return refuse(
      'INVALID_TENSOR',
      `${path}[${axis}] is ${describe(size)}; it must be a whole number from 0 to 2^53 − 1.`,
    );
  });
  if (sizes.length !== spec.shape.length) {
    return refuse(
      'INVALID_TENSOR',
      `${path} has ${sizes.length} dimensions; input ${spec.name} has ${spec.shape.length}: ${expected}.`,
    );
  }
  sizes.forEach((size, axis) => {
    const fixed = spec.shape[axis] ?? -1;
    if (fixed >= 0 && size !== fixed) {
      refuse('INVALID_TENSOR', `${path}[${axis}] is ${size}; input ${spec.name} has ${fixed} there: ${expected}.`);
    }
    if (size === 0) refuse('INVALID_TENSOR', `${path}[${axis}] is 0; an empty batch is not answered.`);
  });
  return sizes;
};

/** Copies nested arrays in row-major order; every level has exactly the length that the shape says. */
const flatten = (value: unknown, shape: readonly number[], path: string, into: unknown[]): void => {
  const [size, ...inner] = shape;
  if (size === undefined) {
    into.push(value);
    return;
  }
  if (!Array.isArray(value))
    return refuse('INVALID_TENSOR', `${path} is ${describe(value)}; an array of ${size} is expected.`);
  if (value.length !== size) {
    return refuse('INVALID_TENSOR', `${path} has ${value.length} elements; the shape says ${size}.`);
  }
  value.forEach((element, index) => flatten(element, inner, `${path}[${index}]`, into));
};

const readData = (value: unknown, path: string, datatype: Datatype, shape: readonly number[]): Tensor['data'] => {
  if (!Array.isArray(value)) return refuse('INVALID_TENSOR', `${path} is ${describe(value)}; it must be an array.`);
  let flat: readonly unknown[] = value;
  if (Array.isArray(value[0])) {
    const elements: unknown[] = [];
    flatten(value, shape, path, elements);
    flat = elements;
  }
  const count = shape.reduce((product, size) => product * size, 1);
  if (flat.length !== count) {
    return refuse(
      'INVALID_TENSOR',
      `${path} has ${flat.length} elements; the shape [${shape.join(', ')}] means ${count}.`,
    );
  }
  const check = (element: unknown, index: number): number | bigint | string => {
    const read = readElement(element, datatype);
    return typeof read === 'object' ? refuse('INVALID_VALUE', `${path}[${index}] ${read.problem}.`) : read;
  };
  if (datatype === 'BYTES') return flat.map((element, index) => String(check(element, index)));
  const data = allocate(datatype, count);
  flat.forEach((element, index) => {
    // The container was made for this datatype, so it takes what was read for it.
    (data as { [index: number]: number | bigint | string })[index] = check(element, index);
  });
  return data;
};

const readInput = (value: unknown, path: string, signature: Signature): Tensor => {
  const fields = fieldsOf(value, path, ['name', 'shape', 'datatype', 'parameters', 'data']);
  const { name, datatype } = fields;
  if (typeof name !== 'string' || name === '')
    return refuse('INVALID_REQUEST', `${path}.name is ${describe(name)}; it must be a text.`);
  const spec = signature.inputs.find((input) => input.name === name);
  if (!spec) {
    const names = signature.inputs.map((input) => input.name).join(', ');
    return refuse('UNKNOWN_INPUT', `${path}.name is ${describe(name)}; the model's inputs are ${names}.`, name);
  }
  readParameters(fields['parameters'], `${path}.parameters`);
  return about(name, () => {
    if (!DATATYPES.some((known) => known === datatype) || datatype !== spec.datatype) {
      return refuse('INVALID_TENSOR', `${path}.datatype is ${describe(datatype)}; input ${name} is ${spec.datatype}.`);
    }
    const shape = readShape(fields['shape'], `${path}.shape`, spec);
    const data = readData(fields['data'], `${path}.data`, spec.datatype, shape);
    return { name, datatype: spec.datatype, shape, data };
  });
};

const readOutputs = (value: unknown, signature: Signature): string[] | undefined => {
  if (value === undefined) return undefined;
  const names = signature.outputs.map((output) => output.name);
  if (!Array.isArray(value) || value.length === 0) {
    return refuse(
      'INVALID_REQUEST',
      `outputs is ${describe(value)}; leave it out for all, or name some of ${names.join(', ')}.`,
    );
  }
  const requested = value.map((output: unknown, index) => {
    const fields = fieldsOf(output, `outputs[${index}]`, ['name', 'parameters']);
    readParameters(fields['parameters'], `outputs[${index}].parameters`);
    const name = names.find((known) => known === fields['name']);
    return (
      name ??
      refuse(
        'UNKNOWN_OUTPUT',
        `outputs[${index}].name is ${describe(fields['name'])}; the model's outputs are ${names.join(', ')}.`,
      )
    );
  });
  const twice = requested.find((name, index) => requested.indexOf(name) !== index);
  return twice === undefined ? requested : refuse('INVALID_REQUEST', `outputs names ${twice} twice.`);
};

const readEventTime = (parameters: Fields): { eventTimeMs?: number } => {
  const value = parameters['event_time'];
  if (value === undefined) return {};
  const parsed = rfc3339.safeParse(value);
  return parsed.success
    ? { eventTimeMs: Date.parse(parsed.data) }
    : refuse(
        'INVALID_REQUEST',
        `parameters.event_time is ${describe(value)}; it must be a date and time as in RFC 3339, such as 2016-01-31T12:00:00Z.`,
      );
};

/** The event time of a request that is going to be refused: what went wrong belongs to its moment. */
export const eventTimeOf = (body: unknown): number | undefined => {
  const value = z.object({ parameters: z.object({ event_time: rfc3339 }) }).safeParse(body).data?.parameters.event_time;
  return value === undefined ? undefined : Date.parse(value);
};

/** The rows of a batch. Inputs whose first dimension is open share it. */
const readRows = (inputs: readonly Tensor[], signature: Signature): number => {
  const batched = inputs.filter(({ name }) => signature.inputs.find((input) => input.name === name)?.shape[0] === -1);
  const rows = batched[0]?.shape[0] ?? 1;
  const other = batched.find(({ shape }) => shape[0] !== rows);
  return other
    ? refuse(
        'INVALID_TENSOR',
        `Input ${other.name} has ${String(other.shape[0])} rows and ${batched[0]?.name ?? ''} has ${rows}; all inputs need the same number.`,
      )
    : rows;
};

/** The client's `id` alone: it can be the routing key, and so is read before the revision and its signature are known. */
export const readClientId = (body: unknown): string | undefined => {
  const id = fieldsOf(body, 'The body', ['id', 'parameters', 'inputs', 'outputs'])['id'];
  if (id === undefined) return undefined;
  if (typeof id !== 'string' || id.length > MAX_ID_LENGTH) {
    return refuse(
      'INVALID_REQUEST',
      `id is ${describe(id)}; it must be a text of at most ${MAX_ID_LENGTH} characters.`,
    );
  }
  return id;
};

/**
 * Reads an inference request against what the model takes. Everything that native code would crash on, ignore or answer
 * wrongly is refused here.
 *
 * @throws ProtocolError that names the field, its problem and what is allowed
 * @source Open Inference Protocol v2, specification/protocol/inference_rest.md, "Inference Request JSON Object"
 */
export const readInferRequest = (body: unknown, signature: Signature): InferRequest => {
  const fields = fieldsOf(body, 'The body', ['id', 'parameters', 'inputs', 'outputs']);
  const id = readClientId(body);
  const parameters = readParameters(fields['parameters'], 'parameters');
  if (!Array.isArray(fields['inputs']) || fields['inputs'].length === 0) {
    return refuse(
      'INVALID_REQUEST',
      `inputs is ${describe(fields['inputs'])}; it must be an array with one tensor per input of the model.`,
    );
  }
  const given = new Map<string, Tensor>();
  fields['inputs'].forEach((value: unknown, index) => {
    const input = readInput(value, `inputs[${index}]`, signature);
    if (given.has(input.name))
      refuse('INVALID_REQUEST', `inputs[${index}].name is ${describe(input.name)}, which was given before.`);
    given.set(input.name, input);
  });
  const inputs = signature.inputs.map(
    ({ name }) => given.get(name) ?? refuse('MISSING_INPUT', `inputs has no ${name}; the model needs it.`, name),
  );
  const outputs = readOutputs(fields['outputs'], signature);
  return {
    ...(id !== undefined && { id }),
    inputs,
    ...(outputs && { outputs }),
    rows: readRows(inputs, signature),
    ...readEventTime(parameters),
  };
};
