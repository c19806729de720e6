/** Whether two values that came through the same strict schema are equal; the schema fixes the order of their keys. */
export const sameJson = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
