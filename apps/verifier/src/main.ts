import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { parseVerifier, Refused, toBase64, type Verifier } from '@kontor/transparency-log';
import { type Verdict, verifyBundle } from './verify-bundle.js';

const USAGE = `usage: kontor-verify <bundle> --key <key> [--since <checkpoint>]... [--witness <key>]...

Checks a bundle of "kontor export" without network and without Kontor.
  --key <key>           the log's public key, as "kontor checkpoint --key" prints it, or a file that holds it
  --since <checkpoint>  a file with a signed checkpoint that was kept from earlier; the log must still begin with it
  --witness <key>       a witness that must have co-signed
Exit code 0: all is well. 1: something is not, and it is named. 2: wrong arguments.`;

class UsageError extends Error {}

const read = async (path: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  }
};

/** A key as text, or a file that holds one. */
const keyOf = async (argument: string): Promise<Verifier> => {
  try {
    return parseVerifier(argument.includes('+') ? argument : (await read(argument)).trim());
  } catch (error) {
    if (error instanceof Refused) throw new UsageError(error.message);
    throw error;
  }
};

const tell = (path: string, { problems, problemCount, checkpoint, scope, events, signedBy }: Verdict): string => {
  if (problemCount > 0) {
    const more = problemCount > problems.length ? [`and ${problemCount - problems.length} more`] : [];
    return [
      `${path}: NOT the log that was signed`,
      ...problems.map(({ where, what }) => `${where}: ${what}`),
      ...more,
    ].join('\n  ');
  }
  const shown =
    scope === 'log'
      ? `every event from position 1 to ${events}, in order, none changed`
      : `${events} events, each in the log and unchanged, no version missing between them; ` +
        'that no later event follows needs a bundle of the whole log';
  const { origin = '', size = 0, root = new Uint8Array() } = checkpoint ?? {};
  return [`${path}: all is well`, `shown: ${shown}`, `checkpoint: ${origin}, ${size} events, root ${toBase64(root)}`, `signed by: ${signedBy.join(', ')}`].join('\n  '); // prettier-ignore
};

/** @returns the exit code */
const main = async (): Promise<number> => {
  let parsed;
  try {
    const option = { type: 'string', multiple: true } as const;
    parsed = parseArgs({ allowPositionals: true, options: { key: option, since: option, witness: option, help: { type: 'boolean', short: 'h' } } }); // prettier-ignore
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const { values, positionals } = parsed;
  if (values.help) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const [path, ...others] = positionals;
  if (path === undefined || others.length > 0) throw new UsageError('one bundle is needed');
  if (!values.key) throw new UsageError('--key is needed: a bundle cannot vouch for itself');
  const options = {
    logKeys: await Promise.all(values.key.map(keyOf)),
    witnessKeys: await Promise.all((values.witness ?? []).map(keyOf)),
    earlier: await Promise.all((values.since ?? []).map(read)),
  };
  const file = createReadStream(path);
  await once(file, 'ready').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(`${path} cannot be read: ${error.code ?? error.message}`);
  });
  // Made last: lines that come before somebody reads them are lost.
  const lines = createInterface({ input: file, crlfDelay: Infinity });
  const verdict = await verifyBundle(lines, options);
  process.stdout.write(`${tell(path, verdict)}\n`);
  return verdict.problemCount > 0 ? 1 : 0;
};

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`kontor-verify: ${error.message}\n\n${USAGE}\n`);
  process.exitCode = 2;
}
