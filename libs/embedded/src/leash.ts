import { type ChildProcess, spawn } from 'node:child_process';

/**
 * The watcher reads `+ pid` and `- pid` from its standard input. When that ends, its parent is gone, however it died, and it
 * ends what is still on the list: SIGINT (PostgreSQL's fast shutdown, nats-server's clean one), after 10 s SIGKILL.
 * It is a shell and not a Node script because it must cost nothing: 1 MB beside 45 MB, and there is one per test worker.
 * It ignores the terminal's signals, because it has to outlive the parent.
 */
const WATCHER = `
trap '' INT TERM HUP QUIT
held=' '
while read -r sign pid; do
  case $sign in
    +) held="$held$pid " ;;
    -) held="\${held%% $pid *} \${held#* $pid }" ;;
  esac
done
for pid in $held; do kill -INT "$pid" 2>/dev/null; done
tenths=0
while [ $tenths -lt 100 ]; do
  alive=
  for pid in $held; do kill -0 "$pid" 2>/dev/null && alive=1; done
  [ -z "$alive" ] && exit 0
  sleep 0.1
  tenths=$((tenths + 1))
done
for pid in $held; do kill -KILL "$pid" 2>/dev/null; done
`;

/** A watcher that dies at once, again and again, would otherwise be started without end. */
const RESTART_DELAY_MS = 50;

let watcher: ChildProcess | undefined;
let noticeReplacement: (() => void) | undefined;
const held = new Set<number>();

const tell = (line: string): void => {
  watcher?.stdin?.write(`${line}\n`);
};

const startWatcher = (): void => {
  const child = spawn('/bin/sh', ['-c', WATCHER], { stdio: ['pipe', 'ignore', 'ignore'], detached: true, cwd: '/' });
  child.on('error', (cause) => {
    throw new Error('the watcher that ends child processes needs /bin/sh', { cause });
  });
  child.stdin.on('error', () => undefined); // EPIPE: the watcher died, its exit is handled below
  child.on('exit', () => {
    watcher = undefined;
    setTimeout(() => {
      if (watcher !== undefined || held.size === 0) return;
      startWatcher();
      noticeReplacement?.();
    }, RESTART_DELAY_MS).unref();
  });
  child.unref();
  // A leash must not keep its parent alive. Node types the pipe as a stream; on every platform it is a socket.
  (child.stdin as unknown as { unref(): void }).unref();
  watcher = child;
  for (const pid of held) tell(`+ ${pid}`);
};

/**
 * Puts a child on the leash: when this process is gone, by kill -9 too, the child is ended. If the watcher itself is killed,
 * another is started and told the whole list. Windows ends children of a dead parent by itself (job objects of libuv).
 */
export const hold = (pid: number): void => {
  if (process.platform === 'win32') return;
  held.add(pid);
  if (watcher) tell(`+ ${pid}`);
  else startWatcher();
};

/** Takes a child off the leash, to be called as soon as it has exited, because its id may be given to another process. */
export const release = (pid: number): void => {
  if (held.delete(pid)) tell(`- ${pid}`);
};

/** Calls `notice` whenever a killed watcher has been replaced. One listener: the supervisor. */
export const onLeashReplaced = (notice: () => void): void => {
  noticeReplacement = notice;
};

/** The process id of the watcher; undefined while nothing is held. */
export const leashPid = (): number | undefined => watcher?.pid;
