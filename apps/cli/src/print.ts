/** One line on standard output. A reader that has gone away (`kontor events | head`) is no error; see `main.ts`. */
export const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};
