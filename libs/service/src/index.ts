export { startService } from './bootstrap.js';
export { type AnswerRequest } from './command.controller.js';
export { derivedId } from './derived-id.js';
export { Dispatch, type DispatchRequest } from './dispatch.js';
export { DispatchHandler, type Facts, type FindFacts, type Machine, type ReadState } from './dispatch.handler.js';
export { Dispatcher, type DispatchOptions } from './dispatcher.js';
export { type Enrich, type WaitingCommand } from './outbox-worker.js';
export { readServiceConfig, toServiceConfig } from './service-config.js';
export { type ServiceConfig, type ServiceOptions, type ServiceParts, type Worker } from './service.module.js';
