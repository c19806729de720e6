import type { Rule } from '../source-tree.js';

/** Each command of a context's commands.ts is sent in a spec of that context: a rule that nobody has tried is a guess. */
export const commandsHaveSpecs: Rule = {
  name: 'commands-have-specs',
  check: (tree) =>
    [...tree.values()]
      .filter(({ path }) => /^libs\/domain\/src\/[^/]+\/commands\.ts$/.test(path))
      .flatMap(({ path, text }) => {
        const folder = path.slice(0, path.lastIndexOf('/') + 1);
        const specs = [...tree.values()].filter(
          (file) => file.path.startsWith(folder) && /\.spec\.ts$/.test(file.path),
        );
        // Prettier holds the indentation, so that the members of the table stand at two spaces and those of schemas deeper.
        return [...text.matchAll(/^ {2}([A-Z][A-Za-z]*):/gm)]
          .filter(([, name]) => !specs.some((spec) => spec.text.includes(`'${name}'`)))
          .map(([, name]) => ({
            path,
            message: `${name} is in no spec: write what is accepted and what is refused as given/when/then`,
          }));
      }),
};
