/** As `prng` of @kontor/testing, which a pure library does not depend on. */
const mulberry32 = (seed: number) => {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
};

/** Sums of twelve uniforms minus six: nearly normal, and bit-exact in every language. */
export const nearlyNormal = (seed: number, n: number): number[] => {
  const next = mulberry32(seed);
  return Array.from({ length: n }, () => {
    let sum = 0;
    for (let k = 0; k < 12; k += 1) sum += next();
    return sum - 6;
  });
};
