export { startService } from './bootstrap.js';
export { Dispatcher, type DispatchOptions } from './dispatcher.js';
export { type Enrich, type WaitingCommand } from './reactions.consumer.js';
export { readServiceConfig, toServiceConfig } from './service-config.js';
export { type ServiceConfig, type ServiceOptions, type ServiceParts, type Worker } from './service.module.js';
