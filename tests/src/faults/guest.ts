// A machine of its own whose power can be cut: a Linux guest below qemu with the embedded PostgreSQL and nats-server, and no
// more. It boots from an initramfs; the data is on a disk that forgets what was not flushed.
import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import {
  embeddedConfig,
  freePort,
  hold,
  newSecret,
  postgresBinaries,
  release,
  resolveNatsServer,
} from '@kontor/embedded';
import { connectNats } from '@kontor/messaging';
import { eventually } from '@kontor/testing';
import pg from 'pg';
import { type ArchiveFile, cpio, FILE, LINK, PROGRAM } from './cpio.js';
import { Skipped, type Stage } from './stage.js';
import { serveVolatileDisk } from './volatile-disk.js';

const QEMU = 'qemu-system-x86_64';
const BUSYBOX = '/bin/busybox';
const DISK_BYTES = 4 * 1024 ** 3;
/** The initramfs takes 150 MB of it, once packed and once unpacked. */
const MEMORY_MB = 1_536;
/** Without KVM a boot takes a minute on a busy core. */
const READY_TIMEOUT_MS = 600_000;
/** A kernel speaks within a second. Where it does not, /dev/kvm is there and does not work: a guest inside of some guests. */
const KVM_TIMEOUT_MS = 15_000;
const PORT = { postgres: 5432, nats: 4222 };
/** What the guest needs of a Debian kernel, where it is not built in; with all that they depend on. */
const MODULES = ['virtio_pci', 'virtio_blk', 'virtio_net', 'ext4', 'crc32c_generic'];

/** The first start makes the cluster, under another name until it is whole and on the disk. The guest ends with PostgreSQL. */
const INIT = `#!/bin/busybox sh
set -e
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/shm /data /tmp /run
chmod 1777 /tmp
mount -t tmpfs -o mode=1777 shm /dev/shm
# what nobody flushes is written after 3 s instead of 30, so that a power cut finds files half written
echo 300 > /proc/sys/vm/dirty_expire_centisecs
echo 100 > /proc/sys/vm/dirty_writeback_centisecs
for module in /modules/*.ko; do insmod $module; done
ifconfig lo 127.0.0.1 up
ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
mount -t ext4 /dev/vda /data
if [ ! -e /data/postgres ]; then
  rm -rf /data/new
  mkdir -m 700 /data/new
  chown postgres:postgres /data/new
  su -s /bin/sh postgres -c '/postgresql/bin/initdb --pgdata=/data/new --username=postgres --pwfile=/etc/secret --auth=scram-sha-256 --encoding=UTF8 --locale=C --data-checksums --no-instructions'
  echo 'host all all 0.0.0.0/0 scram-sha-256' >> /data/new/pg_hba.conf
  mv /data/new /data/postgres
  sync
fi
/bin/nats-server --config /etc/nats.conf &
su -s /bin/sh postgres -c "exec /postgresql/bin/postgres -D /data/postgres -c listen_addresses='*' -c unix_socket_directories=/tmp -c max_wal_size=4GB -c max_connections=200 -c timezone=UTC"
poweroff -f
`;

export interface Guest {
  readonly accelerator: string;
  readonly pgUrl: string;
  readonly natsUrl: string;
  /** Waits until both servers answer. @throws Error with the guest's last lines if it ended first */
  boot(): Promise<void>;
  /** SIGKILL of the machine. @returns how many blocks of 4 KiB that were written and not flushed are lost */
  losePower(): Promise<number>;
}

const missing = (kernelRoot: string): string[] => [
  ...(spawnSync(QEMU, ['--version']).error ? ['qemu-system-x86'] : []),
  ...(existsSync(BUSYBOX) ? [] : ['busybox-static']),
  ...(spawnSync('mkfs.ext4', ['-V'], { env: PATH_OF_ROOT }).error ? ['e2fsprogs'] : []),
  ...(kernelIn(kernelRoot) ? [] : [`linux-image-cloud-amd64 (no kernel in ${join(kernelRoot, 'boot')})`]),
];

const PATH_OF_ROOT = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` };

/** The newest kernel below a root, with its modules. */
const kernelIn = (root: string): { readonly image: string; readonly modules: string } | undefined => {
  if (!existsSync(join(root, 'boot'))) return undefined;
  const found = readdirSync(join(root, 'boot')).flatMap((name) => {
    const version = /^vmlinuz-(.+)$/.exec(name)?.[1];
    const modules = ['lib', 'usr/lib']
      .map((lib) => join(root, lib, 'modules', version ?? '', 'kernel'))
      .find(existsSync);
    return version && modules ? [{ image: join(root, 'boot', name), modules }] : [];
  });
  return found.at(-1);
};

/** What a machine with nothing but a kernel and a console takes. */
const bare = (accelerator: 'kvm' | 'tcg', kernel: string): string[] => [
  ...['-accel', accelerator, '-cpu', 'qemu64', '-smp', '2', '-m', `${MEMORY_MB}`],
  ...['-nodefaults', '-no-reboot', '-display', 'none', '-serial', 'stdio'],
  ...['-kernel', kernel, '-append', 'console=ttyS0 panic=-1'],
];

/** Whether a kernel starts below KVM; without a root file system it ends at once. */
const isKvmUsable = (kernel: string): Promise<boolean> =>
  new Promise((resolve) => {
    execFile(QEMU, bare('kvm', kernel), { timeout: KVM_TIMEOUT_MS, killSignal: 'SIGKILL' }, (_, output) =>
      resolve(output.includes('Linux version')),
    );
  });

/** The modules that a guest needs, each after those that it depends on. */
const modulesOf = (directory: string): ArchiveFile[] => {
  const nameOf = (file: string): string =>
    basename(file)
      .replace(/\.ko(\.\w+)?$/, '')
      .replaceAll('-', '_');
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((file) =>
    /\.ko(\.xz)?$/.test(file),
  );
  const paths = new Map(files.map((file) => [nameOf(file), join(directory, file)]));
  const contents = new Map<string, Buffer>();
  const add = (name: string): void => {
    const path = paths.get(name);
    if (path === undefined || contents.has(name)) return; // built in, or there already
    const isPacked = path.endsWith('.xz');
    const content = isPacked ? execFileSync('xz', ['-dc', path], { maxBuffer: 64 * 1024 ** 2 }) : readFileSync(path);
    const dependencies = /\0depends=([\w,-]*)\0/.exec(content.toString('latin1'))?.[1] ?? '';
    for (const dependency of dependencies.split(',')) add(dependency.replaceAll('-', '_'));
    contents.set(name, content);
  };
  for (const name of MODULES) add(name);
  return [...contents].map(([name, content], index) => ({
    path: `/modules/${`${index}`.padStart(2, '0')}-${name}.ko`,
    content,
    mode: FILE,
  }));
};

/** All files below a directory, but not what only linking needs. */
const tree = (from: string, to: string): ArchiveFile[] =>
  readdirSync(from, { withFileTypes: true }).flatMap((entry): ArchiveFile[] => {
    const [file, path] = [join(from, entry.name), `${to}/${entry.name}`];
    if (entry.isDirectory()) return tree(file, path);
    if (entry.isSymbolicLink()) return [{ path, content: readlinkSync(file), mode: LINK }];
    return entry.name.endsWith('.a') ? [] : [{ path, content: readFileSync(file), mode: lstatSync(file).mode }];
  });

/** The shared libraries of the system that programs load, at the paths where they look for them. */
const librariesOf = (programs: readonly string[], own: string): ArchiveFile[] => {
  const lines = programs.flatMap((program) => spawnSync('ldd', [program], { encoding: 'utf8' }).stdout.split('\n'));
  const paths = new Set(lines.flatMap((line) => /(\/\S+) \(0x/.exec(line)?.[1] ?? []));
  return [...paths]
    .filter((path) => !path.startsWith(own))
    .map((path) => ({ path, content: readFileSync(path), mode: PROGRAM }));
};

const natsConfiguration = (password: string): string => `listen: "0.0.0.0:${PORT.nats}"
server_name: "kontor"
jetstream { store_dir: "/data/nats", max_file_store: ${8 * 1024 ** 3} }
authorization { users: [ { user: "kontor", password: "${password}" } ] }
`;

/**
 * Makes a guest with an empty disk. It ends with the stage.
 *
 * @param kernelRoot below it are boot/vmlinuz-* and lib/modules: / or where a Debian package was unpacked
 * @throws Skipped with the Debian packages that are missing
 */
export const makeGuest = async (stage: Stage, kernelRoot: string): Promise<Guest> => {
  const packages = missing(kernelRoot);
  const kernel = kernelIn(kernelRoot);
  if (packages.length > 0 || !kernel) throw new Skipped(`a guest needs the Debian packages ${packages.join(', ')}`);
  const directory = stage.path('guest');
  mkdirSync(directory);
  const [postgresPassword, natsPassword] = [newSecret(), newSecret()];
  const silent = (): void => undefined;
  const { initdb, postgres } = await postgresBinaries(undefined, silent);
  const { path: nats } = await resolveNatsServer({ dataDir: directory, config: embeddedConfig(), log: silent });
  const native = dirname(dirname(postgres));
  const initramfs = join(directory, 'initramfs');
  writeFileSync(
    initramfs,
    cpio([
      { path: '/init', content: INIT, mode: PROGRAM },
      { path: '/bin/busybox', content: readFileSync(BUSYBOX), mode: PROGRAM },
      { path: '/bin/nats-server', content: readFileSync(nats), mode: PROGRAM },
      { path: '/etc/passwd', content: 'root:x:0:0::/:/bin/sh\npostgres:x:100:100::/:/bin/sh\n', mode: FILE },
      { path: '/etc/group', content: 'root:x:0:\npostgres:x:100:\n', mode: FILE },
      { path: '/etc/secret', content: `${postgresPassword}\n`, mode: FILE },
      { path: '/etc/nats.conf', content: natsConfiguration(natsPassword), mode: FILE },
      ...['/proc', '/sys', '/dev'].map((path) => ({ path: `${path}/.mount`, content: '', mode: FILE })),
      ...modulesOf(kernel.modules),
      ...tree(native, '/postgresql'),
      ...librariesOf([postgres, initdb, nats], native),
    ]),
  );
  const file = join(directory, 'disk');
  writeFileSync(file, '');
  execFileSync('truncate', ['-s', `${DISK_BYTES}`, file]);
  execFileSync('mkfs.ext4', ['-q', file], { env: PATH_OF_ROOT });
  const disk = await serveVolatileDisk({
    file,
    sizeBytes: DISK_BYTES,
    socket: join(directory, 'disk.socket'),
    chance: stage.chance,
  });
  stage.defer(() => disk.close());

  const ports = { postgres: await freePort(), nats: await freePort() };
  const forwards = Object.entries(ports).map(
    ([name, port]) => `hostfwd=tcp:127.0.0.1:${port}-:${PORT[name as keyof typeof PORT]}`,
  );
  const consoleFile = join(directory, 'console');
  const accelerator = (await isKvmUsable(kernel.image)) ? 'kvm' : 'tcg';
  const args = [
    ...bare(accelerator, kernel.image),
    ...['-initrd', initramfs],
    ...['-drive', `file=${disk.url},format=raw,if=virtio`],
    ...['-netdev', `user,id=net,restrict=on,${forwards.join(',')}`, '-device', 'virtio-net-pci,netdev=net'],
  ];
  const pgUrl = `postgresql://postgres:${postgresPassword}@127.0.0.1:${ports.postgres}/postgres`;
  const natsUrl = `nats://kontor:${natsPassword}@127.0.0.1:${ports.nats}`;
  const isReady = async (): Promise<boolean> => {
    const client = new pg.Client({ connectionString: pgUrl, connectionTimeoutMillis: 2_000 });
    client.on('error', () => undefined); // `connect` says it
    try {
      await client.connect();
    } finally {
      await client.end();
    }
    await (await connectNats(natsUrl, 'ready')).close();
    return true;
  };

  let kill = (): Promise<void> => Promise.resolve();
  stage.defer(() => kill());
  const boot = async (): Promise<void> => {
    const output = openSync(consoleFile, 'a');
    const child = spawn(QEMU, args, { stdio: ['ignore', output, output] });
    closeSync(output);
    await once(child, 'spawn');
    const pid = child.pid ?? 0;
    hold(pid);
    let isGone = false;
    const gone = once(child, 'exit').then(() => {
      isGone = true;
      release(pid);
    });
    kill = async () => {
      child.kill('SIGKILL');
      await gone;
    };
    await eventually(() => (isGone ? 'gone' : isReady().then(() => 'ready')), { timeoutMs: READY_TIMEOUT_MS });
    if (isGone)
      throw new Error(
        `the guest ended by itself:\n${readFileSync(consoleFile, 'utf8').split('\n').slice(-20).join('\n')}`,
      );
  };
  const losePower = async (): Promise<number> => {
    await kill();
    return await disk.losePower();
  };
  return { accelerator, pgUrl, natsUrl, boot, losePower };
};
