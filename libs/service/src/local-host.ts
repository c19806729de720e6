import type { IncomingHttpHeaders } from 'node:http';

// A page of another site that lets its own name resolve to 127.0.0.1 still sends its own name.
const LOCAL_NAMES = ['localhost', '127.0.0.1', '[::1]'];

const nameOf = (host: string): string => host.replace(/:\d+$/, '').toLowerCase();

/**
 * Whether Host and Origin say that a request was meant for this process. Refuses DNS rebinding (a foreign Host) and
 * pages of other sites (a foreign Origin).
 *
 * @param allowedHosts names beside those of this machine.
 * @returns a sentence that says what is wrong, or undefined.
 * @source CVE-2025-14279: DNS rebinding against a local MLflow server.
 */
export const refuseForeign = (
  { host, origin }: Pick<IncomingHttpHeaders, 'host' | 'origin'>,
  allowedHosts: readonly string[],
): string | undefined => {
  const names = new Set([...LOCAL_NAMES, ...allowedHosts].map((name) => name.toLowerCase()));
  if (host === undefined || !names.has(nameOf(host))) {
    return 'Host: this door is not known under that name; KONTOR_ALLOWED_HOSTS adds names';
  }
  const originHost =
    origin === undefined ? undefined : URL.canParse(origin) ? new URL(origin).hostname.toLowerCase() : '';
  if (originHost !== undefined && !names.has(originHost) && !names.has(`[${originHost}]`)) {
    return 'Origin: pages of other sites may not call this door';
  }
  return undefined;
};
