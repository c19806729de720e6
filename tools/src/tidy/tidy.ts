import { importCycles } from './rules/import-cycles.js';
import { oneEntry } from './rules/one-entry.js';
import { pages } from './rules/pages.js';
import { pureLibraries } from './rules/pure-libraries.js';
import { rejectionsHaveSpecs } from './rules/rejections-have-specs.js';
import { settingsInConfig } from './rules/settings-in-config.js';
import { specsExist } from './rules/specs-exist.js';
import { unfinished } from './rules/unfinished.js';
import type { Finding, Rule, SourceTree } from './source-tree.js';

const rules: readonly Rule[] = [
  importCycles,
  oneEntry,
  pages,
  pureLibraries,
  rejectionsHaveSpecs,
  settingsInConfig,
  specsExist,
  unfinished,
];

/**
 * The architecture as a test over all files, after TigerBeetle's tidy.zig.
 *
 * @returns what breaks a rule, in the order of the rules; empty if all is well.
 */
export const tidy = (tree: SourceTree): readonly Finding[] =>
  rules.flatMap(({ name, check }) => check(tree).map((finding) => ({ rule: name, ...finding })));
