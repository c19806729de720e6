/** A person reads a few. */
const MAX_NAMES = 5;

/** Edits that turn one text into the other. @source Levenshtein 1966; two rows of the table of Wagner and Fischer 1974 */
const distance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (isSame ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length] ?? 0;
};

/** The names that a person may have meant, the nearest first: they hold the text, or differ in a third of it at most. */
export const nearNames = (text: string, names: readonly string[]): readonly string[] => {
  const wanted = text.toLowerCase();
  return names
    .map((name) => ({ name, edits: distance(wanted, name.toLowerCase()) }))
    .filter(({ name, edits }) => name.toLowerCase().includes(wanted) || edits <= Math.ceil(wanted.length / 3))
    .sort((a, b) => a.edits - b.edits)
    .slice(0, MAX_NAMES)
    .map(({ name }) => name);
};
