/** The value of a JSON text, or undefined if it is none: what it should have been is the schema's business. */
export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
};
