export { eventually } from './eventually.js';
export { uuidv7 } from './ids.js';
export { natsServer, testNats, type TestNats } from './nats.js';
export { testDatabase, type TestDatabase } from './postgres.js';
export { onnxModel, type OnnxNode, type OnnxType, type OnnxValue, type TreeModel, treeModel } from './onnx-model.js';
export { prng, type Prng } from './prng.js';
