/** A file of an archive; directories need no entry of their own. */
export interface ArchiveFile {
  /** Absolute. */
  readonly path: string;
  readonly content: Buffer | string;
  /** Type and permission bits; a symbolic link (0o120777) holds its target as content. */
  readonly mode: number;
}

const DIRECTORY = 0o40755;
export const FILE = 0o100644;
export const PROGRAM = 0o100755;
export const LINK = 0o120777;

const ALIGNMENT_BYTES = 4;
const padded = (bytes: Buffer): Buffer =>
  Buffer.concat([bytes, Buffer.alloc((ALIGNMENT_BYTES - (bytes.length % ALIGNMENT_BYTES)) % ALIGNMENT_BYTES)]);

const parentsOf = (path: string): string[] => {
  const names = path.split('/').slice(1, -1);
  return names.map((_, index) => `/${names.slice(0, index + 1).join('/')}`);
};

/**
 * An archive that Linux takes as initramfs; all of it belongs to root.
 * @source Linux, Documentation/driver-api/early-userspace/buffer-format.rst, "newc"
 */
export const cpio = (files: readonly ArchiveFile[]): Buffer => {
  const directories = [...new Set(files.flatMap(({ path }) => parentsOf(path)))];
  const entries: readonly ArchiveFile[] = [
    ...directories.map((path) => ({ path, content: '', mode: DIRECTORY })),
    ...files,
    { path: '/TRAILER!!!', content: '', mode: 0 },
  ];
  const parts = entries.flatMap(({ path, content, mode }, index) => {
    const bytes = Buffer.from(content);
    const name = Buffer.from(`${path.slice(1)}\0`);
    const [inode, uid, gid, links, mtime] = [index + 1, 0, 0, 1, 0];
    const [deviceMajor, deviceMinor, ownMajor, ownMinor, checksum] = [0, 0, 0, 0, 0];
    const fields = [
      ...[inode, mode, uid, gid, links, mtime, bytes.length],
      ...[deviceMajor, deviceMinor, ownMajor, ownMinor, name.length, checksum],
    ];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
    return [padded(Buffer.concat([Buffer.from(header), name])), padded(bytes)];
  });
  return Buffer.concat(parts);
};
