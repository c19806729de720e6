/** Coefficients of Lanczos' approximation with g = 7: about 1e-15 relative for positive arguments. */
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/**
 * Natural logarithm of the gamma function.
 *
 * @param x above 0.
 * @source C. Lanczos, SIAM J. Numer. Anal. 1, 1964; coefficients of P. Godfrey.
 */
const logGamma = (x: number): number => {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  const [first = 0, ...rest] = LANCZOS;
  const y = x - 1;
  const t = y + 7.5;
  const sum = rest.reduce((total, coefficient, i) => total + coefficient / (y + i + 1), first);
  return 0.5 * Math.log(2 * Math.PI) + (y + 0.5) * Math.log(t) - t + Math.log(sum);
};

/** Both loops below stop when a term no longer changes a double: after about 1,000 for 1e5 degrees of freedom. */
const MAX_TERMS = 10_000;

/**
 * Upper regularised incomplete gamma function Q(a, x), without cancellation in the upper tail.
 *
 * @param a above 0; `x` at least 0.
 * @returns in [0, 1].
 * @source NIST Digital Library of Mathematical Functions 8.11.4 (series) and 8.9.2 (continued fraction, by Lentz).
 */
const upperGamma = (a: number, x: number): number => {
  if (x <= 0) return 1;
  if (x === Infinity) return 0;
  const scale = Math.exp(a * Math.log(x) - x - logGamma(a));
  if (x < a + 1) {
    let term = 1 / a;
    let sum = term;
    for (let n = 1; n < MAX_TERMS && term > sum * Number.EPSILON; n += 1) {
      term *= x / (a + n);
      sum += term;
    }
    return 1 - scale * sum;
  }
  let b = x + 1 - a;
  let c = Infinity;
  let d = 1 / b;
  let fraction = d;
  for (let n = 1; n < MAX_TERMS; n += 1) {
    const an = -n * (n - a);
    b += 2;
    d = 1 / (an * d + b);
    c = b + an / c;
    fraction *= c * d;
    if (Math.abs(c * d - 1) < Number.EPSILON) break;
  }
  return scale * fraction;
};

/** Complementary error function. @source erfc(x) = Q(1/2, x²) for x ≥ 0, NIST DLMF 7.11.2. */
const erfc = (x: number): number => (x < 0 ? 2 - erfc(-x) : upperGamma(0.5, x * x));

/** P(Z > z) of the standard normal law. @source NIST DLMF 7.1; exact in the far tail. */
export const normalSurvival = (z: number): number => 0.5 * erfc(z / Math.SQRT2);

/** P(X > x) of the χ² law. @source Q(df/2, x/2), NIST DLMF 8.2.4. */
export const chiSquareSurvival = (x: number, degreesOfFreedom: number): number =>
  upperGamma(degreesOfFreedom / 2, x / 2);

/** The argument in [low, high] where a falling function reaches a target, by bisection to the last bit or so. */
const invertFalling = (f: (x: number) => number, target: number, low: number, high: number): number => {
  let [left, right] = [low, high];
  // Each step halves the interval; 200 leave nothing between two neighbouring doubles.
  for (let step = 0; step < 200; step += 1) {
    const middle = (left + right) / 2;
    if (middle === left || middle === right) break;
    if (f(middle) > target) left = middle;
    else right = middle;
  }
  return (left + right) / 2;
};

/**
 * z with P(Z ≤ z) = p.
 *
 * @param p in (0, 1).
 * @source inversion of {@link normalSurvival}; |z| below 38.5 covers every double p.
 */
export const normalQuantile = (p: number): number => invertFalling(normalSurvival, 1 - p, -38.5, 38.5);

/**
 * x with P(X ≤ x) = p under the χ² law.
 *
 * @param p in (0, 1).
 * @source inversion of {@link chiSquareSurvival}; 50 standard deviations above the mean bound the search.
 */
export const chiSquareQuantile = (p: number, degreesOfFreedom: number): number =>
  invertFalling(
    (x) => chiSquareSurvival(x, degreesOfFreedom),
    1 - p,
    0,
    degreesOfFreedom + 50 * Math.sqrt(2 * degreesOfFreedom) + 100,
  );
