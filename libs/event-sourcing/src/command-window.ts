import { CommandIdOutsideWindow } from './errors.js';

// Commands are remembered for 13 months, like the hot log; ids older than that would be appended twice by a late retry.
const WINDOW_MONTHS = 13;
// Clocks of clients may be wrong by hours, hardly by a day; the month partitions reach at least that far ahead.
const AHEAD_MS = 86_400_000;

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/**
 * Why a command id is refused; undefined if the log remembers its time.
 *
 * @param oldestKeptMs start of the oldest kept month of es.command.
 * @source RFC 9562, section 5.7: the first 48 bits of a UUIDv7 are milliseconds since 1970.
 */
export const outsideWindow = (
  commandId: string,
  oldestKeptMs: number,
  nowMs: number,
): CommandIdOutsideWindow | undefined => {
  const now = new Date(nowMs);
  const oldestMs = Math.max(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - WINDOW_MONTHS, 1), oldestKeptMs);
  const newestMs = nowMs + AHEAD_MS;
  const madeAtMs = UUID_V7.test(commandId) ? Number.parseInt(commandId.slice(0, 8) + commandId.slice(9, 13), 16) : NaN;
  return madeAtMs >= oldestMs && madeAtMs <= newestMs
    ? undefined
    : new CommandIdOutsideWindow(commandId, new Date(oldestMs), new Date(newestMs));
};
