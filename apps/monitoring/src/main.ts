import { openArtifacts } from '@kontor/artifact-store';
import { upcasters } from '@kontor/domain/contexts';
import { monitoring } from '@kontor/domain/monitoring';
import { startService } from '@kontor/service';
import { createLog, ensureKeyPair, loadPrivateKey, runProcess, signToken } from '@kontor/service/process';
import { readMonitoringConfig } from './config.js';
import { startPipeline } from './pipeline.js';

const ISSUER = 'monitoring';
/** One request, with its retries. */
const TOKEN_TTL_MS = 120_000;

/** Serving asks monitoring for a token as it asks everybody. */
const tokensOf = async (keysDir: string): Promise<(workspace: string) => Promise<string>> => {
  await ensureKeyPair(keysDir, ISSUER);
  const key = await loadPrivateKey(keysDir, ISSUER);
  const actor = { id: ISSUER, kind: 'service', roles: [] } as const;
  return (workspace) => signToken(key, ISSUER, { actor, workspace, ttlMs: TOKEN_TTL_MS }, Date.now());
};

await runProcess(() =>
  startService({
    context: monitoring,
    upcasters,
    config: readMonitoringConfig(),
    log: createLog('monitoring'),
    workers: async ({ pool, connection, dispatcher, log }, { artifacts, keysDir, servingUrl }) => [
      await startPipeline({
        pool,
        nats: connection,
        artifacts: await openArtifacts(artifacts),
        servingUrl,
        token: await tokensOf(keysDir),
        dispatch: async (workspace, type, data) => {
          const reply = await dispatcher.dispatch({ workspace, type, data });
          if (reply.outcome === 'failed') throw new Error(`${type} failed: ${reply.code} ${reply.message}`);
          return reply;
        },
        onFailure: (part, error) => log.error(`${part} begin again`, error),
      }),
    ],
  }),
);
