export { eventually } from './eventually.js';
export { holdAppends, type HeldAppends } from './held-appends.js';
export { uuidv7 } from './ids.js';
export { natsServer, testNats, type TestNats } from './nats.js';
export { testDatabase, type TestDatabase } from './postgres.js';
export { missingS3, startS3, testS3, type TestS3 } from './s3.js';
export { onnxModel, type OnnxNode, type OnnxType, type OnnxValue, type TreeModel, treeModel } from './onnx-model.js';
export { type PythonEnvironment, pythonWith, S3_REQUIREMENTS } from './python.js';
export { prng, type Prng } from './prng.js';
