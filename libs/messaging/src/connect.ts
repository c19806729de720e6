import { connect, type NatsConnection } from '@nats-io/transport-node';

const RECONNECT_WAIT_MS = 250; // short against the 10 s that an assertion lives, long against a restart of 50 ms

/**
 * Connects to NATS; user and password may stand in the URL. A connection that breaks later is made again for ever.
 *
 * Close it with `drain()`: what was received is still handled.
 *
 * @throws the client's error if the first attempt fails.
 */
export const connectNats = (url: string, name: string): Promise<NatsConnection> => {
  const { username, password, host, protocol } = new URL(url);
  return connect({
    servers: `${protocol}//${host}`,
    name,
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_WAIT_MS,
    // Otherwise each request makes an error beforehand, in case that it fails: 5 % of a gateway that sends commands.
    noAsyncTraces: true,
    ...(username && { user: decodeURIComponent(username), pass: decodeURIComponent(password) }),
  });
};
