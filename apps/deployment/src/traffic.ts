import type { ServiceParts, Worker } from '@kontor/service';
import { keepRunning } from '@kontor/service/process';
import { measureRollouts, type RolloutMeasurementOptions } from './rollout-measurement.js';
import { publishRoutes } from './routes-publisher.js';

export interface TrafficOptions extends Omit<RolloutMeasurementOptions, 'signal'> {
  /** Told each time a part failed; it is started again a second later. */
  readonly onFailure: (part: 'routes' | 'rollouts', error: unknown) => void;
}

/**
 * Runs what the deployment service does beside answering commands: routes into the bucket, traffic of rollouts into
 * analyses. Both begin again after a failure, until they are stopped.
 *
 * @returns a worker whose `stop` resolves when both have ended and nothing more is sent.
 */
export const startTraffic = ({ onFailure, ...options }: TrafficOptions): Worker => {
  const stopping = new AbortController();
  const { signal } = stopping;
  const keep = (name: 'routes' | 'rollouts', run: () => Promise<void>) =>
    keepRunning({ name, run, signal, onFailure: (error) => onFailure(name, error) });
  const running = [
    keep('routes', () => publishRoutes(options.pool, options.nats, signal)),
    keep('rollouts', () => measureRollouts({ ...options, signal })),
  ];
  return {
    stop: async () => {
      stopping.abort();
      await Promise.all(running.map(({ ended }) => ended));
    },
    get problem() {
      return running.find(({ problem }) => problem !== undefined)?.problem;
    },
  };
};

/** The traffic part as a worker of the service: what it decides goes through the service's own door, in process. */
export const trafficWorker = ({ pool, connection, dispatcher, log }: ServiceParts): Worker =>
  startTraffic({
    pool,
    nats: connection,
    send: async (workspace, type, data) => {
      const reply = await dispatcher.dispatch({ workspace, type, data });
      // A rejection means that the rollout has moved; the next look sees how.
      if (reply.outcome === 'failed') throw new Error(`${type} failed: ${reply.code} ${reply.message}`);
    },
    onMalformed: (subject, problem) => log.info('telemetry left out', { subject, problem }),
    onFailure: (part, error) => log.error(`${part} begin again`, error),
  });
