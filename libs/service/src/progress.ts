const BAR_CELLS = 24;
/** How often a reader without a terminal hears of a long run; short ones end before the first line. */
const LINE_EVERY_MS = 5_000;
/** A terminal is drawn this often. */
const DRAW_EVERY_MS = 100;

/** What a long run tells the person who waits for it. */
export interface Progress {
  /** What is done of what; `label` names the part that is under way. */
  show(label: string, done: bigint, all: bigint): void;
  /** Clears the line of a terminal. */
  end(): void;
}

/** Share, rate and remaining time of a part that has run for `elapsedMs`. */
export const progressLine = (
  label: string,
  { done, all, elapsedMs }: { readonly done: bigint; readonly all: bigint; readonly elapsedMs: number },
  unit = 'events',
): string => {
  const share = all === 0n ? 1 : Math.min(1, Number(done) / Number(all));
  const full = Math.round(share * BAR_CELLS);
  const bar = `${'#'.repeat(full)}${'.'.repeat(BAR_CELLS - full)}`;
  const perSecond = elapsedMs > 0 ? Number(done) / (elapsedMs / 1000) : 0;
  const leftSeconds = perSecond > 0 ? Math.ceil(Number(all - done) / perSecond) : undefined;
  const left = leftSeconds === undefined || leftSeconds <= 0 ? '' : `, ${leftSeconds} s left`;
  return `${label} ${bar} ${Math.floor(share * 100)} %, ${Math.round(perSecond).toLocaleString('en')} ${unit}/s${left}`;
};

/** Progress on standard error: one line that is drawn again on a terminal, a line now and then elsewhere. */
export const openProgress = (unit?: string): Progress => {
  const { stderr } = process;
  const everyMs = stderr.isTTY ? DRAW_EVERY_MS : LINE_EVERY_MS;
  let part = '';
  let startedMs = performance.now();
  let shownMs = stderr.isTTY ? 0 : startedMs;
  return {
    show: (label, done, all) => {
      const nowMs = performance.now();
      if (label !== part) [part, startedMs] = [label, nowMs];
      if (nowMs - shownMs < everyMs) return;
      shownMs = nowMs;
      const line = progressLine(label, { done, all, elapsedMs: nowMs - startedMs }, unit);
      stderr.write(stderr.isTTY ? `\r${line}\u001b[K` : `${line}\n`);
    },
    end: () => {
      if (stderr.isTTY) stderr.write('\r\u001b[K');
    },
  };
};
