import { execFile } from 'node:child_process';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createPool, exportLog, readSeal, runSealer } from '@kontor/event-store';
import { logSigner } from '@kontor/transparency-log';
import { machineFacts } from './machine.js';
import { type BenchReport, ratioRow } from './report.js';
import { startBenchServer } from './server.js';
import { generateLog, ORIGIN } from './workload.js';

const ROUNDS = 3;
const EVENTS = 1_000_000;
const VERIFY_BAR = 0.25;
const SEAL_POLL_MS = 50;
const MIB = 1024 ** 2;

const run = promisify(execFile);
const VERIFIER = fileURLToPath(new URL('../../../apps/verifier/bin/kontor-verify.mjs', import.meta.url));

const seconds = async (body: () => Promise<unknown>): Promise<number> => {
  const started = performance.now();
  await body();
  return (performance.now() - started) / 1000;
};

/** `kontor-verify` of a bundle of a whole log, beside SHA-256 of the same file. */
export const verifyBench = async (): Promise<BenchReport> => {
  const server = await startBenchServer();
  const admin = createPool({ connectionString: server.adminUrl, max: 2 });
  const pool = createPool({ connectionString: server.urlFor('kontor_registry'), max: 4 });
  try {
    await generateLog(admin, EVENTS);
    const signer = logSigner(ORIGIN, generateKeyPairSync('ed25519').privateKey);
    const stop = new AbortController();
    const sealing = runSealer({ pool, signers: [signer], signal: stop.signal });
    let seal = await readSeal(pool);
    for (; seal?.size !== EVENTS; seal = await readSeal(pool)) await delay(SEAL_POLL_MS);
    stop.abort();
    await sealing;

    const bundle = join(server.directory, 'bundle.jsonl');
    const checkpoint = seal;
    const lines = async function* (): AsyncGenerator<string, void> {
      for await (const line of exportLog(pool, checkpoint)) yield `${line}\n`;
    };
    const exported = EVENTS / (await seconds(() => pipeline(Readable.from(lines()), createWriteStream(bundle))));
    const { size } = await stat(bundle);
    const machine = machineFacts();
    const verified: number[] = [];
    const hashed: number[] = [];
    let said = '';
    for (let round = 0; round < ROUNDS; round += 1) {
      const verify = async () => {
        said = (await run(process.execPath, [VERIFIER, bundle, '--key', signer.verifierKey])).stdout;
      };
      verified.push(size / MIB / (await seconds(verify)));
      const hash = () => pipeline(createReadStream(bundle), createHash('sha256'));
      hashed.push(size / MIB / (await seconds(hash)));
    }
    return {
      rows: [
        ratioRow(
          `kontor-verify of ${EVENTS} events / SHA-256 of the same bytes`,
          'MiB/s',
          { ours: verified, beside: hashed },
          VERIFY_BAR,
        ),
      ],
      notes: [
        `a bundle of ${(size / MIB).toFixed(0)} MiB, exported at ${exported.toFixed(0)} events/s; kontor-verify with its start`,
        `machine: ${machine}`,
      ],
      checks: [
        {
          what: `kontor-verify shows every event from 1 to ${EVENTS}`,
          holds: said.includes(`every event from position 1 to ${EVENTS}`),
        },
      ],
    };
  } finally {
    await pool.end();
    await admin.end();
    await server.stop();
  }
};
