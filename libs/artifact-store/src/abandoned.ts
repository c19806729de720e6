import { hostname } from 'node:os';

/** An upload that nothing was written to for so long has no process any more; a slow client writes every few seconds. */
const IDLE_MS = 24 * 60 * 60 * 1000;

/** The folder of the uploads that this process takes. As elsewhere, one gateway runs on a host. */
export const ownFolder = (): string => encodeURIComponent(hostname());

/**
 * Whether what lies in a folder of incoming uploads was left behind. To be asked before this process takes an upload: then all
 * of its own folder was, and of another host's what is old.
 */
export const isAbandoned = (folder: string, writtenAtMs: number, nowMs: number): boolean =>
  folder === ownFolder() || nowMs - writtenAtMs > IDLE_MS;
