import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { inject } from 'vitest';

/** Ends when its input does: also when whoever started it is killed. */
const SERVER = `
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print("%s:%d" % server.get_host_and_port(), flush=True)
sys.stdin.read()
`;

/** An S3 server of its own. It keeps objects in memory, and does not check signatures. */
export interface TestS3 {
  readonly url: string;
  /** Makes an empty bucket. @returns its name */
  makeBucket(): Promise<string>;
  /** Ends the server; its objects are gone. */
  stop(): Promise<void>;
}

/** @param python of an environment with `S3_REQUIREMENTS`. @throws Error if it does not start. */
export const startS3 = async (python: string): Promise<TestS3> => {
  const child = spawn(python, ['-c', SERVER], { stdio: ['pipe', 'pipe', 'ignore'] });
  const exited = once(child, 'exit');
  const address = await Promise.race([
    once(createInterface(child.stdout), 'line').then(([line]) => String(line)),
    exited.then(([code]) => Promise.reject(new Error(`the S3 server ended with ${String(code)}`))),
  ]);
  const url = `http://${address}`;
  let buckets = 0;
  return {
    url,
    makeBucket: async () => {
      buckets += 1;
      const name = `bucket-${buckets}`;
      const { ok, status } = await fetch(`${url}/${name}`, { method: 'PUT' });
      if (!ok) throw new Error(`the bucket ${name} is not made: ${status}`);
      return name;
    },
    stop: async () => {
      child.stdin.end();
      await exited;
    },
  };
};

/** Why there is no S3 server here; undefined if there is one. CI must have one. For `describe.skipIf`. */
export const missingS3 = (): string | undefined => {
  const environment = inject('kontorS3');
  return 'missing' in environment && !process.env['CI'] ? environment.missing : undefined;
};

/** An S3 server for the caller alone. To be called inside a hook or a test of the `int` project. */
export const testS3 = (): Promise<TestS3> => {
  const environment = inject('kontorS3');
  if ('missing' in environment) throw new Error(environment.missing);
  return startS3(environment.python);
};
