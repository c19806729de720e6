import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

// A page of another site that lets its own name resolve to 127.0.0.1 still sends its own name.
const LOCAL_NAMES = ['localhost', '127.0.0.1', '[::1]'];

const nameOf = (host: string): string => host.replace(/:\d+$/, '').toLowerCase();

/** Not the ones that mean every address: browsers let pages of other sites use them to reach this machine. */
const isAddress = (name: string): boolean =>
  isIP(name.replace(/^\[|\]$/g, '')) !== 0 && name !== '0.0.0.0' && name !== '[::]';

/**
 * Whether Host and Origin say that a request was meant for this process. Refuses DNS rebinding (a foreign Host) and
 * pages of other sites (a foreign Origin). An address as Host is fine: rebinding needs a name, and probes and balancers
 * call a container by its address.
 *
 * @param allowedHosts names beside those of this machine.
 * @returns a sentence that says what is wrong, or undefined.
 * @source CVE-2025-14279: DNS rebinding against a local MLflow server.
 */
export const refuseForeign = (
  { host, origin }: Pick<IncomingHttpHeaders, 'host' | 'origin'>,
  allowedHosts: readonly string[],
): string | undefined => {
  const name = nameOf(host ?? '');
  const names = new Set([...LOCAL_NAMES, ...allowedHosts].map((allowed) => allowed.toLowerCase()));
  if (!names.has(name) && !isAddress(name)) {
    return 'Host: this door is not known under that name; KONTOR_ALLOWED_HOSTS adds names';
  }
  if (origin === undefined) return undefined;
  const originName = URL.canParse(origin) ? new URL(origin).hostname.toLowerCase() : '';
  if (originName === name || names.has(originName)) return undefined;
  return 'Origin: pages of other sites may not call this door';
};
