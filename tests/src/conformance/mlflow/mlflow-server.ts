import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { freePort, hold, release } from '@kontor/embedded';

/** How long MLflow may take to import its own packages: 8 s on two busy cores, more than 120 s on overloaded ones. */
const DEADLINE_MS = 300_000;

export interface MlflowServer {
  readonly uri: string;
  stop(): Promise<void>;
}

/** MLflow's own server, which keeps everything below a folder. @throws Error if it does not come up */
export const startMlflowServer = async (python: string, folder: string): Promise<MlflowServer> => {
  const port = await freePort();
  const uri = `http://127.0.0.1:${port}`;
  const server = spawn(
    python,
    [
      ...['-m', 'mlflow', 'server', '--host', '127.0.0.1', '--port', String(port), '--workers', '2'],
      ...['--backend-store-uri', `sqlite:///${folder}/mlflow.db`, '--artifacts-destination', `${folder}/files`],
    ],
    { stdio: 'ignore', detached: true, env: { ...process.env, MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false' } },
  );
  const { pid } = server;
  if (pid === undefined) throw new Error(`${python} cannot be started`);
  hold(pid);
  server.once('exit', () => release(pid));
  const stop = async (): Promise<void> => {
    if (server.exitCode !== null) return;
    const exited = once(server, 'exit');
    // It starts workers of its own.
    process.kill(-pid, 'SIGKILL');
    await exited;
  };
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const isUp = await fetch(`${uri}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isUp) return { uri, stop };
    if (server.exitCode !== null || performance.now() > deadline) {
      await stop();
      throw new Error('mlflow server did not come up');
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
};
