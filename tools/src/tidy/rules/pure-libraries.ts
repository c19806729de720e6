import { isTestCode, type Rule } from '../source-tree.js';

const PURE = /^libs\/(?:domain|event-sourcing|statistics|transparency-log)\/src\/.*\.ts$/;
const IMPURE: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\b|\bnew Date\(\s*\)/, 'reads the clock: `now` arrives in the command metadata'],
  [/\bMath\.random\b|\brandomUUID\b|\brandomBytes\b/, 'draws by chance: ids and chance arrive from the edge'],
  [/\bprocess\s*[.[]/, 'reads the process: settings arrive as arguments'],
  [/\bsetTimeout\b|\bsetInterval\b|\bfetch\(/, 'does I/O or waits: that belongs into apps/<service>'],
  [/\bawait\b/, 'waits: rules are plain functions'],
];

/** Rules, statistics and proofs give the same answer for the same input, on every machine and in ten years. */
export const pureLibraries: Rule = {
  name: 'pure-libraries',
  check: (tree) =>
    [...tree.values()]
      .filter(({ path }) => PURE.test(path) && !isTestCode(path) && !path.endsWith('in-memory-event-store.ts'))
      .flatMap(({ path, text, imports }) => [
        ...imports
          .filter(({ specifier }) => specifier.startsWith('node:') && !isHashing(path, specifier))
          .map(({ specifier }) => ({ path, message: `imports ${specifier}: the pure libraries do no I/O` })),
        ...IMPURE.filter(([pattern]) => pattern.test(withoutComments(text))).map(([, message]) => ({ path, message })),
      ]),
};

/** Proofs are made of hashes and signatures, and those of node:crypto follow from their arguments alone. */
const isHashing = (path: string, specifier: string): boolean =>
  path.startsWith('libs/transparency-log/') && specifier === 'node:crypto';

const withoutComments = (text: string): string => text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '');
