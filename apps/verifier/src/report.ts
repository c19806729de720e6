import { toBase64 } from '@kontor/transparency-log';
import type { Verdict } from './verify-bundle.js';

/** A person reads a few; the file has them all. */
const MAX_STREAMS = 20;

const count = (number: number, noun: string): string => `${number} ${noun}${number === 1 ? '' : 's'}`;

/** What was shown of the events. */
const shownOf = ({ header, events, streams }: Verdict): readonly string[] => {
  const inOrder = `${count(streams.size, 'stream')}: no version is missing, no time falls`;
  switch (header?.scope) {
    case 'log':
      return [`every event from position 1 to ${events}, in order, none changed`, inOrder];
    case 'range': {
      const [first, last] = header.range ?? [];
      return [`every event from position ${first} to ${last}, in order, none changed`, inOrder];
    }
    case 'streams': {
      const parts = [...streams].slice(0, MAX_STREAMS);
      return [
        `${count(events, 'event')} of ${count(streams.size, 'stream')}${header.about === undefined ? '' : ` of ${header.about}`}, each in the log and unchanged`,
        ...parts.map(([id, { lastVersion }]) => `  ${id}: versions 1 to ${lastVersion}, none missing`),
        ...(streams.size > MAX_STREAMS ? [`  and ${streams.size - MAX_STREAMS} more`] : []),
      ];
    }
    default:
      return ['that the checkpoint is signed'];
  }
};

/** What a reader might take for shown. */
const notShownOf = ({ header, checkpoint, signedBy, consistent }: Verdict): readonly string[] => {
  const size = checkpoint?.size ?? 0;
  const isWitnessed = signedBy.some(({ cosignedAtS }) => cosignedAtS !== undefined);
  return [
    ...(header?.scope === 'streams'
      ? [
          `that no later event of these streams follows up to position ${size}, nor that no other stream belongs here: a bundle of the whole log shows it`,
        ]
      : []),
    ...(header?.scope === 'range' ? ['anything of the positions outside the range'] : []),
    `what was appended after position ${size}`,
    ...(consistent.length === 0
      ? ['that an earlier auditor saw the same history: give a checkpoint that was kept, with --since']
      : []),
    ...(isWitnessed ? [] : ['that nobody is shown another history under this key: ask for a witness, with --witness']),
  ];
};

/** Lines below a word, the first beside it. */
const block = (title: string, lines: readonly string[]): readonly string[] =>
  lines.map((line, index) => `  ${(index === 0 ? `${title}:` : '').padEnd(12)}${line}`);

const listed = (sizes: readonly number[]): string => {
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  return sizes.length <= 5 ? sizes.join(', ') : `${sizes.length} of them, from ${least} to ${most} events`;
};

/** The verdict for a person: first whether all is well, then what was shown and what was not. */
export const report = (path: string, verdict: Verdict): string => {
  const { problems, problemCount, checkpoint, epochs, signedBy, consistent } = verdict;
  const lines = [problemCount === 0 ? `${path}: all is well` : `${path}: NOT the log that was signed`];
  lines.push(...problems.map(({ where, what }) => `  ${where}: ${what}`));
  if (problemCount > problems.length) lines.push(`  and ${problemCount - problems.length} more`);
  if (checkpoint) {
    const { origin, size, root } = checkpoint;
    if (problemCount === 0) {
      const begins =
        consistent.length > 0
          ? [
              `the log still begins with the earlier checkpoints: ${listed(consistent.map((one) => one.checkpoint.size))}`,
            ]
          : [];
      lines.push(...block('shown', [...shownOf(verdict), ...begins]));
    }
    lines.push(...block('checkpoint', [`${origin}, ${count(size, 'event')}, root ${toBase64(root)}`]));
    const signers = signedBy.map(({ name, keyId, cosignedAtS }) =>
      cosignedAtS === undefined
        ? `${name} (key ${keyId})`
        : `${name} (key ${keyId}), which saw it at ${new Date(Number(cosignedAtS) * 1000).toISOString()}`,
    );
    lines.push(...block('signed by', signers));
    const restored = epochs.slice(1).map((epoch) => `${epoch.origin} from position ${epoch.firstPosition} on`);
    lines.push(...block('restored', restored));
    if (problemCount === 0) lines.push(...block('not shown', notShownOf(verdict)));
  }
  return lines.join('\n');
};
