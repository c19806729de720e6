import { z } from 'zod';

// What MLflow answers, as far as it is read. Fields that an older server does not know are absent.
// Numbers of 64 bits are JSON numbers, or decimal text as protobuf writes them.
export const int64 = z.union([
  z.number(),
  z
    .string()
    .regex(/^-?\d+$/)
    .transform(Number),
]);
const double = z.union([z.number(), z.enum(['NaN', 'Infinity', '-Infinity']).transform(Number)]);
const pair = z.object({ key: z.string(), value: z.string().default('') });
const pairs = z.array(pair).default([]);
export type Pair = z.output<typeof pair>;

export const experiment = z.object({
  experiment_id: z.string(),
  name: z.string(),
  artifact_location: z.string().default(''),
  lifecycle_stage: z.string(),
  creation_time: int64.optional(),
  last_update_time: int64.optional(),
  tags: pairs,
});
export type Experiment = z.output<typeof experiment>;

export const metric = z.object({
  key: z.string(),
  value: double,
  timestamp: int64.default(0),
  step: int64.default(0),
  model_id: z.string().optional(),
  dataset_name: z.string().optional(),
  dataset_digest: z.string().optional(),
});
export type Metric = z.output<typeof metric>;

const dataset = z.object({
  tags: pairs,
  dataset: z.object({
    name: z.string(),
    digest: z.string(),
    source_type: z.string().default(''),
    source: z.string().default(''),
    schema: z.string().optional(),
    profile: z.string().optional(),
  }),
});

export const run = z.object({
  info: z.object({
    run_id: z.string(),
    experiment_id: z.string(),
    run_name: z.string().default(''),
    user_id: z.string().default(''),
    status: z.enum(['RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED']).default('RUNNING'),
    start_time: int64.default(0),
    end_time: int64.optional(),
    artifact_uri: z.string().default(''),
    lifecycle_stage: z.string(),
  }),
  data: z
    .object({ metrics: z.array(z.object({ key: z.string() })).default([]), params: pairs, tags: pairs })
    .default({ metrics: [], params: [], tags: [] }),
  inputs: z
    .object({
      dataset_inputs: z.array(dataset).default([]),
      model_inputs: z.array(z.object({ model_id: z.string() })).default([]),
    })
    .default({ dataset_inputs: [], model_inputs: [] }),
  outputs: z
    .object({ model_outputs: z.array(z.object({ model_id: z.string(), step: int64.default(0) })).default([]) })
    .default({ model_outputs: [] }),
});
export type Run = z.output<typeof run>;

export const loggedModel = z.object({
  info: z.object({
    model_id: z.string(),
    experiment_id: z.string(),
    name: z.string().default(''),
    creation_timestamp_ms: int64,
    last_updated_timestamp_ms: int64,
    artifact_uri: z.string().default(''),
    status: z.string(),
    model_type: z.string().default(''),
    source_run_id: z.string().default(''),
    tags: pairs,
  }),
  data: z
    .object({ params: pairs, metrics: z.array(metric.extend({ run_id: z.string().default('') })).default([]) })
    .default({ params: [], metrics: [] }),
});
export type LoggedModel = z.output<typeof loggedModel>;

export const registeredModel = z.object({
  name: z.string(),
  creation_timestamp: int64,
  last_updated_timestamp: int64,
  description: z.string().optional(),
  tags: pairs,
  aliases: z.array(z.object({ alias: z.string(), version: z.coerce.number() })).default([]),
});
export type RegisteredModel = z.output<typeof registeredModel>;

export const version = z.object({
  name: z.string(),
  version: z.coerce.number(),
  creation_timestamp: int64,
  last_updated_timestamp: int64,
  current_stage: z.string().default('None'),
  description: z.string().default(''),
  source: z.string().default(''),
  run_id: z.string().default(''),
  run_link: z.string().default(''),
  model_id: z.string().default(''),
  tags: pairs,
});
export type Version = z.output<typeof version>;
