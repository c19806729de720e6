import { gunzipSync } from 'node:zlib';
import { ArtifactMissing, type ArtifactReader, ArtifactUnusable, readArtifact } from '@kontor/artifact-store';
import type { FeatureValue } from '@kontor/statistics';
import type { Columns } from './profiles.js';

/** Input that cannot become right by trying again. The reason names what was found and what is needed. */
export class UnusableInput extends Error {}

/** Far above what an evaluation sends in reasonable time, below what one text of the runtime can hold. */
const MAX_BYTES = 256 * 1024 * 1024;

/** The bytes of an artifact, checked against its digest. @throws UnusableInput if absent, too long or different. */
export const readInput = async (artifacts: ArtifactReader, digest: string): Promise<Buffer> => {
  try {
    return await readArtifact(artifacts, digest, MAX_BYTES);
  } catch (cause) {
    if (cause instanceof ArtifactUnusable) throw new UnusableInput(cause.message, { cause });
    if (cause instanceof ArtifactMissing) throw new UnusableInput(`the artifact ${digest} cannot be read`, { cause });
    throw cause;
  }
};

/** Fields of one CSV text, by lines. @source RFC 4180; a line may end with LF or CRLF. */
const records = (text: string): string[][] => {
  const lines: string[][] = [];
  let fields: string[] = [];
  let field = '';
  let quoted = false;
  const endLine = () => {
    fields.push(field);
    if (fields.length > 1 || field !== '') lines.push(fields);
    fields = [];
    field = '';
  };
  for (let i = 0; i < text.length; i += 1) {
    const char = text[i] ?? '';
    if (quoted) {
      if (char !== '"') field += char;
      else if (text[i + 1] === '"') {
        field += '"';
        i += 1;
      } else quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === ',') {
      fields.push(field);
      field = '';
    } else if (char === '\n') endLine();
    else if (char !== '\r') field += char;
  }
  endLine();
  return lines;
};

const textOf = (bytes: Buffer): string => {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes.toString();
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_BYTES }).toString();
  } catch (cause) {
    throw new UnusableInput(`the data set is no gzip of at most ${MAX_BYTES} bytes: ${String(cause)}`, { cause });
  }
};

const valueOf = (text: string): FeatureValue => {
  if (text === '') return null;
  const number = Number(text);
  return text.trim() === '' || Number.isNaN(number) ? text : number;
};

/**
 * Columns of a CSV file with a header line, plain or gzip. An empty field is missing, a number is a number.
 *
 * @throws UnusableInput naming the line that has too few or too many fields.
 */
export const parseDataset = (bytes: Buffer): { readonly columns: Columns; readonly rows: number } => {
  const [header = [], ...lines] = records(textOf(bytes));
  const twice = header.find((name, i) => header.indexOf(name) !== i);
  if (twice !== undefined) throw new UnusableInput(`the data set has the column ${JSON.stringify(twice)} twice`);
  const wrong = lines.findIndex((line) => line.length !== header.length);
  if (wrong >= 0) {
    const found = lines[wrong]?.length ?? 0;
    throw new UnusableInput(`row ${wrong + 1} of the data set has ${found} fields; the header has ${header.length}`);
  }
  const columns = Object.fromEntries(header.map((name, i) => [name, lines.map((line) => valueOf(line[i] ?? ''))]));
  return { columns, rows: lines.length };
};
