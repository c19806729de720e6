/** Major, minor, patch. */
export type Version = readonly [number, number, number];

/** The first `1.2` or `1.2.3` in a text such as `nats-server: v2.15.1`; undefined if there is none. */
export const parseVersion = (text: string): Version | undefined => {
  const match = /(\d+)\.(\d+)(?:\.(\d+))?/.exec(text);
  return match ? [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)] : undefined;
};

/** Whether `version` is `floor` or newer. */
export const isAtLeast = (version: Version, floor: Version): boolean => {
  const difference = version[0] - floor[0] || version[1] - floor[1] || version[2] - floor[2];
  return difference >= 0;
};

/** `2.15.1` */
export const formatVersion = (version: Version): string => version.join('.');

/** PostgreSQL 18: the version whose traps and figures the event store was tested with. */
export const POSTGRES_FLOOR: Version = [18, 0, 0];

/**
 * The first nats-server line with the fixes that the permissions rely on.
 * @source CVE-2025-30215 (fixed in 2.11.1), CVE-2026-33222 (fixed in 2.12.6)
 */
export const NATS_FLOOR: Version = [2, 14, 0];
