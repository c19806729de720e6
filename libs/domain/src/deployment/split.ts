/** SHA-256 of the UTF-8 bytes of a text, 32 bytes. An argument, because the domain calls no platform function. */
export type Sha256 = (text: string) => Uint8Array;

/** All of the traffic, in basis points, and the number of buckets that keys fall into. */
export const ALL_TRAFFIC_BPS = 10_000;

/**
 * The bucket of a routing key, 0 to 9,999: `split@1`, the first 4 bytes, big-endian, of SHA-256(salt + ":" + key), modulo
 * 10,000. Any program can compute it, so that who was served by which revision can be checked from outside.
 */
export const splitBucket = (sha256: Sha256, salt: string, key: string): number => {
  const hash = sha256(`${salt}:${key}`);
  return new DataView(hash.buffer, hash.byteOffset, hash.byteLength).getUint32(0) % ALL_TRAFFIC_BPS;
};

/**
 * The revision of a bucket by cumulative weights, in the order given. Newest first, so a growing weight of the newest
 * moves keys only towards it.
 *
 * @returns undefined if no revision has traffic.
 */
export const revisionOfBucket = <Share extends { readonly weightBps: number }>(
  revisions: readonly Share[],
  bucket: number,
): Share | undefined => {
  let upper = 0;
  for (const revision of revisions) {
    upper += revision.weightBps;
    if (bucket < upper) return revision;
  }
  return undefined;
};
