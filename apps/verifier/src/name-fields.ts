import {
  type BundleEvent,
  epochAt,
  eventLeaf,
  parseBundleLine,
  parseCheckpoint,
  parseHeader,
  parseNote,
} from '@kontor/transparency-log';
import type { Problem } from './problems.js';
import type { BundleSource } from './verify-bundle.js';

/** Of a long text: enough to see what it is, and around the first difference. */
const SHOWN_CHARS = 60;

/**
 * Names which fields of an event were changed, where a bundle from before holds the event that was sealed. A leaf hash
 * tells that an event is another one, not in what; an event with the sealed hash needs no other proof.
 */
export const nameFields = async (problems: readonly Problem[], before: BundleSource): Promise<readonly Problem[]> => {
  const wanted = new Map(
    problems.flatMap(({ sealed }) => (sealed ? [[sealed.event.position, sealed.leaf] as const] : [])),
  );
  const originals = new Map<string, BundleEvent>();
  const header = await before.header();
  if (wanted.size === 0 || header === undefined) return problems;
  const { checkpoint, epochs } = parseHeader(header);
  const { origin } = parseCheckpoint(parseNote(checkpoint).text);
  for await (const text of before.lines()) {
    const line = parseBundleLine(text);
    if (line.kind !== 'event' || !wanted.has(line.event.position)) continue;
    const own = epochs ? (epochAt(epochs, Number(line.event.position))?.origin ?? '') : origin;
    const leaf = Buffer.from(eventLeaf(own, line.event)).toString('hex');
    if (leaf === wanted.get(line.event.position)) originals.set(line.event.position, line.event);
  }
  return problems.map((problem) => {
    const event = problem.sealed?.event;
    const original = event && originals.get(event.position);
    return original ? { ...problem, what: `${problem.what}: ${changes(original, event)}` } : problem;
  });
};

const changes = (original: BundleEvent, event: BundleEvent): string =>
  (Object.keys(original) as (keyof BundleEvent)[])
    .filter((field) => field !== 'proof' && original[field] !== event[field])
    .map(
      (field) => `${field} was ${excerpt(original[field], event[field])}, is ${excerpt(event[field], original[field])}`,
    )
    .join('; ');

const excerpt = (value: unknown, other: unknown): string => {
  const [text, beside] = [String(value), String(other)];
  if (text.length <= SHOWN_CHARS) return JSON.stringify(text);
  let same = 0;
  while (same < text.length && text[same] === beside[same]) same++;
  const from = Math.max(0, Math.min(same - SHOWN_CHARS / 2, text.length - SHOWN_CHARS));
  return `${from > 0 ? '…' : ''}${JSON.stringify(text.slice(from, from + SHOWN_CHARS))}…`;
};
