// T19, T20 and T24: whoever owns the database, the disk or even the log's key cannot change what was signed unnoticed.
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { exportLog, LogForked, readRawPage, readSeal, readTiles, runRelay, runSealer } from '@kontor/event-store';
import { chainPublisher, connectNats, ensureStreams } from '@kontor/messaging';
import { eventually } from '@kontor/testing';
import {
  type AddCheckpoint,
  eventLeaf,
  formatAddCheckpoint,
  formatCheckpoint,
  formatNote,
  leafHash,
  logSigner,
  proveConsistency,
  type Signer,
  type Tile,
  tilePath,
  tilesForConsistency,
  TileTree,
} from '@kontor/transparency-log';
import { check } from './checker.js';
import { fill, headOf } from './fill.js';
import { readLog, readMessages, readNotes } from './final-state.js';
import { type Log, ORIGIN, type Scenario, spawnProgram, type Stage } from './stage.js';

/** A key of the log. */
export const newKey = () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { signer: logSigner(ORIGIN, privateKey), publicKey };
};

/** Signs the whole log. @returns the checkpoint */
const seal = async (log: Log, signer: Signer): Promise<string> => {
  const stop = new AbortController();
  const pool = log.pool('kontor_registry');
  const running = runSealer({ pool, signers: [signer], signal: stop.signal });
  const head = await headOf(log);
  const note = await Promise.race([
    eventually(
      async () => {
        const newest = await readSeal(pool);
        return newest?.size === head && newest.note;
      },
      { timeoutMs: 60_000 },
    ),
    running.then(() => undefined),
  ]);
  stop.abort();
  await running;
  return note ?? '';
};

/** What a superuser does to a log of `old` events that were signed, and some more; with what the verifier has to say. */
const TAMPERINGS: readonly {
  readonly name: string;
  readonly sql?: (old: number, head: number) => string;
  readonly named: (old: number, head: number) => string;
}[] = [
  {
    name: 'a byte is changed',
    sql: () => `UPDATE es.event SET data = replace(data::text, 'Gr', 'GR')::json WHERE pos = 100`,
    named: () => 'position 100: Counted of',
  },
  { name: 'a row is deleted', sql: () => 'DELETE FROM es.event WHERE pos = 101', named: () => 'position 101: missing' },
  {
    name: 'two rows are swapped',
    sql: () => `UPDATE es.event SET pos = 16777000 WHERE pos = 102; UPDATE es.event SET pos = 102 WHERE pos = 103;
                UPDATE es.event SET pos = 103 WHERE pos = 16777000`,
    named: () => 'position 102: Counted of',
  },
  {
    name: 'recorded_at is changed',
    sql: () => `UPDATE es.event SET recorded_at = recorded_at + interval '1 microsecond' WHERE pos = 104`,
    named: () => 'position 104: Counted of',
  },
  { name: 'the hashes are made anew as well', named: () => 'checkpoint: the hashes of the bundle are not those' },
  {
    name: 'the tail is cut off',
    sql: (old) => `DELETE FROM es.event WHERE pos > ${old}; DELETE FROM es.seal WHERE size > ${old};
                   UPDATE es.log_head SET last_pos = ${old}`,
    named: (old, head) => `positions ${old + 1} to ${head} were signed earlier and are gone`,
  },
  {
    name: 'an old dump is restored, and goes on',
    named: (_, head) => `earlier checkpoint of ${head}: the log does not begin with the tree`,
  },
];

/** As superuser, without the triggers that would refuse. */
const tamper = async (log: Log, sql: string): Promise<void> => {
  const client = await log.admin.connect();
  try {
    await client.query(`SET session_replication_role = replica; ${sql}; SET session_replication_role = origin`);
  } finally {
    client.release();
  }
};

/** Changes an event, its leaf and every tile that holds it. */
const remakeHashes = async (log: Log): Promise<void> => {
  const pos = 105;
  await tamper(log, `UPDATE es.event SET actor = 'eve' WHERE pos = ${pos}`);
  const [event] = await readRawPage(log.admin, { after: BigInt(pos - 1), limit: 1 });
  if (!event) throw new Error('the log is shorter than the test needs');
  const leaf = `'\\x${Buffer.from(eventLeaf(ORIGIN, event)).toString('hex')}'::bytea`;
  await tamper(
    log,
    `UPDATE es.event SET leaf = ${leaf} WHERE pos = ${pos};
     UPDATE es.tile SET content = overlay(content PLACING ${leaf} FROM ${(pos - 1) * 32 + 1} FOR 32) WHERE level = 0 AND index = 0 AND width >= ${pos}`,
  );
};

const exportTo = async (log: Log, path: string): Promise<void> => {
  const newest = await readSeal(log.admin);
  if (!newest) throw new Error('nothing is sealed');
  const lines: string[] = [];
  for await (const line of exportLog(log.admin, newest)) lines.push(line);
  writeFileSync(path, `${lines.join('\n')}\n`);
};

export const tampering: Scenario = {
  name: 'T19',
  title: 'tamper as superuser',
  run: async (stage) => {
    const { signer, publicKey } = newKey();
    const log = await stage.log();
    await fill(stage, log, 150);
    await seal(log, signer);
    const old = await headOf(log);
    await log.release();
    const dump = await stage.log(log);
    await dump.release();
    const signed = await stage.log(log);
    await fill(stage, signed, 150);
    const kept = await seal(signed, signer);
    const head = await headOf(signed);
    const since = stage.path('checkpoint.txt');
    writeFileSync(since, kept);
    const violations: string[] = [];

    const verify = async (copy: Log) => {
      const bundle = stage.path('bundle.jsonl');
      await exportTo(copy, bundle);
      const child = spawnProgram('apps/verifier/src/main.ts', [bundle, '--key', signer.verifierKey, '--since', since]);
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
      const [code] = (await once(child, 'close')) as [number | null];
      return { code, output };
    };
    /** I13 of the checker, which knows nothing of bundles. */
    const seesNothing = async (copy: Log): Promise<boolean> => {
      const notes = [...(await readNotes(copy.admin)), kept];
      const { violations: found } = check({
        history: [],
        log: await readLog(copy.admin),
        checkpoints: { publicKey, notes },
      });
      return !found.some((violation) => violation.startsWith('I13'));
    };

    const untouched = await verify(signed);
    if (untouched.code !== 0) violations.push(`the untouched log does not verify: ${untouched.output}`);
    if (!(await seesNothing(signed))) violations.push('the checker does not believe the untouched log');
    await signed.release();
    for (const { name, sql, named } of TAMPERINGS) {
      const isDump = name.includes('dump');
      const copy = await stage.log(isDump ? dump : signed);
      if (sql) await tamper(copy, sql(old, head));
      else if (isDump) {
        while ((await headOf(copy)) < head) await fill(stage, copy, 20);
        await seal(copy, signer);
      } else await remakeHashes(copy);
      const { code, output } = await verify(copy);
      if (code !== 1 || !output.includes(named(old, head)))
        violations.push(`${name}: kontor-verify said (${code}) ${output}`);
      if (await seesNothing(copy)) violations.push(`${name}: the checker saw nothing`);
      await copy.release();
    }
    return { seen: `${TAMPERINGS.length} ways, each named by kontor-verify and seen by the checker`, violations };
  },
};

interface Witness {
  /** @returns the HTTP status */
  ask(request: AddCheckpoint): Promise<number>;
  kill(): Promise<void>;
}

const startWitness = async (dir: string, signer: Signer, stage: Stage): Promise<Witness> => {
  const child = spawnProgram('apps/witness/src/main.ts', [
    '--dir',
    dir,
    '--name',
    'witness.example/w1',
    '--log',
    signer.verifierKey,
    '--port',
    '0',
  ]);
  const ended = once(child, 'close');
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  stage.defer(kill);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const url = await eventually(
    () => {
      if (child.exitCode !== null) throw new Error(`the witness ended: ${output}`);
      return /^listens on (\S+)\nkey: \S+\n/.exec(output)?.[1];
    },
    { timeoutMs: 60_000 },
  );
  const ask = async (request: AddCheckpoint): Promise<number> =>
    (await fetch(`${url}/add-checkpoint`, { method: 'POST', body: formatAddCheckpoint(request) })).status;
  return { ask, kill };
};

/** A tree of `size` leaves of one history, with a signed checkpoint and the proof from an earlier size. */
const historyOf =
  (name: string, signer: Signer) =>
  (oldSize: number, size: number): AddCheckpoint => {
    const tree = new TileTree();
    const contents = new Map<string, Uint8Array>();
    for (let index = 0; index < size; index += 1) {
      for (const { tile, content } of tree.append(leafHash(Buffer.from(`${name} ${index}`))))
        contents.set(tilePath(tile), content);
    }
    for (const { tile, content } of tree.partialTiles()) contents.set(tilePath(tile), content);
    const contentOf = (tile: Tile) =>
      contents.get(tilePath(tile)) ?? contents.get(tilePath({ ...tile, width: 256 })) ?? new Uint8Array();
    const text = formatCheckpoint({ origin: ORIGIN, size, root: tree.root() });
    const isFirst = oldSize === 0 || oldSize >= size;
    const proof = isFirst ? [] : proveConsistency(oldSize, size, contentOf);
    return { oldSize, proof, checkpoint: formatNote(text, [signer.sign(text)]) };
  };

export const equivocation: Scenario = {
  name: 'T20',
  title: 'equivocation',
  run: async (stage) => {
    const { signer } = newKey();
    const [truth, lie] = [historyOf('truth', signer), historyOf('lie', signer)];
    const dir = stage.path('witness');
    const first = await startWitness(dir, signer, stage);
    const violations: string[] = [];
    const expect = async (witness: Witness, what: string, request: AddCheckpoint, allowed: readonly number[]) => {
      const status = await witness.ask(request);
      if (!allowed.includes(status))
        violations.push(`${what}: the witness answered ${status}, not ${allowed.join(' or ')}`);
    };
    await expect(first, 'the first checkpoint', truth(0, 500), [200]);
    await first.kill();
    const witness = await startWitness(dir, signer, stage); // what it has signed outlives kill -9
    await expect(witness, 'another root of the same size', lie(500, 500), [409, 422]);
    await expect(witness, 'another root, as if nothing had been', lie(0, 500), [409]);
    await expect(witness, 'a smaller tree', truth(0, 400), [409]);
    await expect(witness, 'a smaller tree that names the larger', truth(500, 400), [400]);
    await expect(witness, 'a longer other history', lie(500, 700), [422]);
    await expect(witness, 'the true log, longer', truth(500, 700), [200]);
    return { seen: 'a witness refused 5 lies after kill -9 and co-signed the truth', violations };
  },
};

export const restoreFork: Scenario = {
  name: 'T24',
  title: 'restore fork',
  run: async (stage) => {
    const { signer } = newKey();
    const identity = { origin: ORIGIN, base: 0n };
    const nats = await stage.nats();
    const nc = await connectNats(nats.url, 'faults');
    stage.defer(() => nc.close());
    await ensureStreams(nc, identity);
    const log = await stage.log();
    const witness = await startWitness(stage.path('witness'), signer, stage);
    await fill(stage, log, 100);
    await seal(log, signer);
    const backedUp = await headOf(log);
    await log.release();
    const backup = await stage.log(log);
    await backup.release();

    const current = await stage.log(log);
    await fill(stage, current, 100);
    const note = await seal(current, signer);
    const head = await headOf(current);
    const violations: string[] = [];
    if ((await witness.ask({ oldSize: 0, proof: [], checkpoint: note })) !== 200)
      violations.push('the witness did not sign the log');
    const stop = new AbortController();
    const pool = current.pool('kontor_registry');
    const relaying = runRelay({ pool, target: chainPublisher(nc, identity), signal: stop.signal });
    const caughtUp = eventually(async () => (await readMessages(nats.url)).lastSequence === head, {
      timeoutMs: 60_000,
    });
    await Promise.race([caughtUp, relaying]);
    stop.abort();
    await relaying;
    await current.release();

    const restored = await stage.log(backup);
    const relay = async (when: string): Promise<void> => {
      const target = chainPublisher(nc, identity);
      const refused = await runRelay({
        pool: restored.pool('kontor_registry'),
        target,
        signal: AbortSignal.timeout(60_000),
      }).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (!(refused instanceof LogForked))
        violations.push(`${when} the relay ended with ${String(refused)}, not LogForked`);
    };
    await relay('before anything new');
    while ((await headOf(restored)) <= head) await fill(stage, restored, 30);
    await relay('with another event at the same position');
    const { lastSequence } = await readMessages(nats.url);
    if (lastSequence !== head) violations.push(`JetStream moved to sequence ${lastSequence}`);
    const forged = await seal(restored, signer);
    const size = await headOf(restored);
    const proof = proveConsistency(head, size, await readTiles(restored.admin, tilesForConsistency(head, size)));
    const status = await witness.ask({ oldSize: head, proof, checkpoint: forged });
    if (status !== 422) violations.push(`the witness answered ${status} to the restored log, not 422`);
    return { seen: `a backup of ${backedUp} of ${head} events: relay and witness refused it`, violations };
  },
};
