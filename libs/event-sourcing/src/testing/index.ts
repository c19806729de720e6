export { deciderSpec, metadata } from './decider-spec.js';
export { eventStoreContract } from './event-store-contract.js';
export { plainData } from './plain-data.js';
export { projectionSpec, recorded } from './projection-spec.js';
