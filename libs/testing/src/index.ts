export { eventually } from './eventually.js';
export { uuidv7 } from './ids.js';
export { testNats, type TestNats } from './nats.js';
export { testDatabase, type TestDatabase } from './postgres.js';
export { prng, type Prng } from './prng.js';
