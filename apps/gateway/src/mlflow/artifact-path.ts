/** How often a path is decoded before it is judged: `%252e` hides a dot behind two rounds. */
const MAX_DECODINGS = 5;

/**
 * A caller's artifact path, normalised, or undefined if it tries to leave its place.
 *
 * The path is only a name for a digest; it is never joined to a path of the file system. It is refused all the same,
 * because clients join it to paths of their own when they download.
 *
 * @returns segments joined by `/`, without a leading or trailing one; the empty string is the root.
 * @source CVE-2023-1177, CVE-2025-11201, CVE-2026-2614: path traversal through MLflow's artifact paths.
 */
export const artifactPath = (path: string): string | undefined => {
  const decoded = fullyDecoded(path);
  if (decoded === undefined) return undefined;
  for (const form of [path, decoded]) {
    if (
      /[#\0\r\n]/.test(form) ||
      /^[/\\]/.test(form) ||
      /^[A-Za-z]:/.test(form) ||
      // A client's library takes `file:x` for a path of its own machine, with and without slashes.
      /^(?:file:|[a-z][a-z0-9+.-]*:\/\/)/i.test(form)
    ) {
      return undefined;
    }
    if (form.split(/[/\\]/).includes('..')) return undefined;
  }
  const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.');
  return segments.join('/');
};

const fullyDecoded = (path: string): string | undefined => {
  let current = path;
  for (let round = 0; round < MAX_DECODINGS; round++) {
    let next: string;
    try {
      next = decodeURIComponent(current);
    } catch (error) {
      // A percent sign that begins no escape is a character like any other: nothing more hides behind it.
      if (error instanceof URIError) return current;
      throw error;
    }
    if (next === current) return current;
    current = next;
  }
  return undefined;
};
