import type { Command } from '../command.js';

/** Stands where a dispatcher asks for personal data to be encrypted and opened, and leaves all of it as it is. */
export const plainData = () => ({
  onForget: undefined as ((keys?: ReadonlySet<string>) => void) | undefined,
  blind: (_: unknown, hash: Uint8Array): Promise<Uint8Array> => Promise.resolve(hash),
  encrypt: ({
    data,
  }: Pick<Command, 'data'>): Promise<{ data: unknown; encrypted: readonly string[]; keys: readonly string[] }> =>
    Promise.resolve({ data, encrypted: [], keys: [] }),
  open: <Value>(_: string, value: Value): Promise<Value> => Promise.resolve(value),
});
