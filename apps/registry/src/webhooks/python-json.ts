/** JSON that can stand in a message. */
export type Value = string | number | null | { readonly [key: string]: Value };

// Every character that is not printable ASCII, by UTF-16 unit.
const NOT_ASCII = /[^ -~]/g;

const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;

// `JSON.stringify` has escaped quotes, backslashes and control characters as Python does.
const quoted = (text: string): string => JSON.stringify(text).replace(NOT_ASCII, escaped);

/** JSON as Python's `json.dumps` writes it: `", "`, `": "` and ASCII only. Receivers check the signature over these bytes. */
export const pythonJson = (value: Value): string => {
  if (typeof value === 'string') return quoted(value);
  if (value === null || typeof value === 'number') return String(value);
  return `{${Object.entries(value)
    .map(([key, member]) => `${quoted(key)}: ${pythonJson(member)}`)
    .join(', ')}}`;
};
