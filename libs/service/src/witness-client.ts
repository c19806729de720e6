import { type WitnessAnswer, WitnessRefused } from '@kontor/event-store';
import { type AddCheckpoint, formatAddCheckpoint } from '@kontor/transparency-log';
import type { WitnessAddress } from './witness-variable.js';

const TIMEOUT_MS = 5_000;
/** What a witness says of a request that will never pass. @source C2SP tlog-witness, "add-checkpoint" */
const FINAL = [400, 403, 404, 422];
const OTHER_SIZE = 409;

/**
 * Asks a witness over HTTP.
 *
 * @throws WitnessRefused if it will not co-sign this checkpoint, however often it is asked.
 */
export const askWitness =
  ({ url }: Pick<WitnessAddress, 'url'>) =>
  async (request: AddCheckpoint): Promise<WitnessAnswer> => {
    const response = await fetch(`${url.replace(/\/$/, '')}/add-checkpoint`, {
      method: 'POST',
      body: formatAddCheckpoint(request),
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await response.text();
    if (response.status === 200) return { signature: text };
    if (response.status === OTHER_SIZE && /^(0|[1-9]\d{0,15})\n$/.test(text)) return { rememberedSize: Number(text) };
    const answered = `the witness at ${url} answered ${response.status}: ${text.trim().slice(0, 300)}`;
    throw FINAL.includes(response.status) ? new WitnessRefused(answered) : new Error(answered);
  };
