import { commandsHaveSpecs } from './rules/commands-have-specs.js';
import { declaredPackages } from './rules/declared-packages.js';
import { importCycles } from './rules/import-cycles.js';
import { oneEntry } from './rules/one-entry.js';
import { pages } from './rules/pages.js';
import { pureLibraries } from './rules/pure-libraries.js';
import { rejections } from './rules/rejections.js';
import { settingsInConfig } from './rules/settings-in-config.js';
import { sourcesCanBeFollowed } from './rules/sources-can-be-followed.js';
import { specsExist } from './rules/specs-exist.js';
import { unfinished } from './rules/unfinished.js';
import type { Finding, Rule, SourceTree } from './source-tree.js';

const rules: readonly Rule[] = [
  commandsHaveSpecs,
  declaredPackages,
  importCycles,
  oneEntry,
  pages,
  pureLibraries,
  rejections,
  settingsInConfig,
  sourcesCanBeFollowed,
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
