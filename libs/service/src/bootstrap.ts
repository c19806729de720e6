import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { startHealthServer } from './health-server.js';
import type { Running } from './lifecycle.js';
import { type ServiceConfig, ServiceModule, type ServiceOptions } from './service.module.js';

/** Starts one service: its module, and a door for probes. */
export const startService = async <Config extends ServiceConfig>(options: ServiceOptions<Config>): Promise<Running> => {
  const application = await NestFactory.createApplicationContext(ServiceModule.forContext(options), {
    logger: false,
    abortOnError: false,
  });
  const module = application.get(ServiceModule);
  const health = await startHealthServer(options.config.healthPort, () => module.problems);
  options.log.info('ready', { health: health.url });
  return {
    addresses: { health: health.url },
    stop: async () => {
      await health.close();
      await application.close();
    },
  };
};
