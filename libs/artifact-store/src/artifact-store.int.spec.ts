import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { missingS3, type TestS3, testS3 } from '@kontor/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  ArtifactMissing,
  type ArtifactStore,
  type DirectTransfers,
  StorageFull,
  StorageUnavailable,
  UploadAborted,
  UploadInvalid,
  UploadUnknown,
} from './artifact-store.js';
import { openArtifacts } from './open-artifacts.js';
import { ArtifactUnusable, readArtifact } from './read-artifact.js';
import type { S3Settings } from './settings.js';

// @source FIPS 180-4: the digest of "abc"
const ABC = 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
const ABSENT = `sha256:${'0'.repeat(64)}`;
/** Above the size of a part, so that it is sent in several. */
const LARGE_BYTES = 20 * 1024 * 1024;

const from = (...chunks: readonly (string | Buffer)[]): Readable =>
  Readable.from(chunks.map((chunk) => Buffer.from(chunk)));

/** Fails after the first bytes, as a request does whose client goes away. */
const broken = (first: Buffer): Readable =>
  Readable.from(
    (async function* () {
      yield first;
      throw new Error('aborted');
    })(),
  );

const contentOf = async (store: ArtifactStore, digest: string, range?: { start: number; end: number }) =>
  buffer((await store.open(digest, range)).bytes);

interface Opened {
  readonly store: ArtifactStore;
  /** All that lies there, finished or not. */
  readonly everything: () => Promise<readonly string[]>;
}

/** What every store promises. */
const contract = (open: () => Promise<Opened>): void => {
  let store: ArtifactStore;
  let everything: Opened['everything'];
  beforeEach(async () => {
    ({ store, everything } = await open());
  });

  it('stores bytes under their SHA-256', async () => {
    expect(await store.put(from('a', 'bc'))).toEqual({ digest: ABC, sizeBytes: 3 });
    expect(await everything()).toEqual([`sha256/ba/${ABC.slice('sha256:'.length)}`]);
    expect((await contentOf(store, ABC)).toString()).toBe('abc');
  });

  it('stores what is empty', async () => {
    const { digest, sizeBytes } = await store.put(from());
    expect(sizeBytes).toBe(0);
    expect(await contentOf(store, digest)).toHaveLength(0);
  });

  it('gives back a large file, and any range of it, with its whole size', async () => {
    const bytes = randomBytes(LARGE_BYTES);
    const { digest } = await store.put(Readable.from([bytes.subarray(0, 9_000_000), bytes.subarray(9_000_000)]));
    expect((await contentOf(store, digest)).equals(bytes)).toBe(true);
    const range = { start: 8_999_990, end: 9_000_009 };
    expect(await contentOf(store, digest, range)).toEqual(bytes.subarray(8_999_990, 9_000_010));
    const opened = await store.open(digest, range);
    opened.bytes.destroy();
    expect(opened.sizeBytes).toBe(LARGE_BYTES);
  });

  it('takes the same content from many at once, and keeps it once', async () => {
    const stored = await Promise.all(Array.from({ length: 8 }, () => store.put(from('abc'))));
    expect(stored).toEqual(stored.map(() => ({ digest: ABC, sizeBytes: 3 })));
    expect(await everything()).toHaveLength(1);
  });

  it.each([
    ['at once', Buffer.from('half')],
    ['after some parts', randomBytes(LARGE_BYTES)],
  ])('blames the client for an upload that breaks off %s, and keeps nothing of it', async (_, first) => {
    await expect(store.put(broken(first), LARGE_BYTES * 2)).rejects.toThrow(UploadAborted);
    expect(await everything()).toEqual([]);
  });

  it('says that content is missing before a byte is sent', async () => {
    await expect(store.open(ABSENT)).rejects.toThrow(ArtifactMissing);
  });

  it('reads whole what is proven to be the content, and no more than is allowed', async () => {
    await store.put(from('abc'));
    expect((await readArtifact(store, ABC, 3)).toString()).toBe('abc');
    await expect(readArtifact(store, ABC, 2)).rejects.toThrow(
      new ArtifactUnusable(`${ABC} has 3 bytes; at most 2 are loaded`),
    );
  });
};

describe('on disk', () => {
  let directory: string;
  const open = () => openArtifacts({ kind: 'disk', directory });
  const everything = async () =>
    (await readdir(directory, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
      .sort();
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kontor-artifacts-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  contract(async () => ({ store: await open(), everything }));

  it('does not blame the client for a disk that takes no file', async () => {
    // No directory can be made there, by nobody.
    await symlink('/dev/null', join(directory, 'incoming'));
    const error: unknown = await (await open()).put(from('a')).catch((e: unknown) => e);
    expect(error).toMatchObject({ syscall: 'mkdir' });
    expect(error).not.toBeInstanceOf(UploadAborted);
  });

  it('says that a disk is full, and keeps nothing of what did not fit', async ({ skip }) => {
    const mount = (...args: readonly string[]) => spawnSync('mount', args).status === 0;
    skip(!mount('-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory), 'a small disk of its own needs root');
    try {
      const store = await open();
      await expect(store.put(from(randomBytes(LARGE_BYTES)))).rejects.toThrow(StorageFull);
      expect(await everything()).toEqual([]);
      expect(await store.put(from('abc'))).toMatchObject({ digest: ABC });
    } finally {
      spawnSync('umount', [directory]);
    }
  });

  it('says that bytes are not the content', async () => {
    const file = join(directory, 'sha256', 'ba', ABC.slice('sha256:'.length));
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, 'abd');
    await expect(readArtifact(await open(), ABC, 3)).rejects.toThrow('has the digest');
  });

  it('clears what this host left behind, and what is old of others', async () => {
    const old = new Date(Date.now() - 25 * 60 * 60 * 1000);
    for (const [folder, name, time] of [
      [hostname(), 'own', new Date()],
      ['another', 'running', new Date()],
      ['another', 'old', old],
      ['.', 'before there were folders', old],
    ] as const) {
      await mkdir(join(directory, 'incoming', folder), { recursive: true });
      const file = join(directory, 'incoming', folder, name);
      await writeFile(file, 'half');
      await utimes(file, time, time);
    }
    const store = await open();
    await store.put(from('abc'));
    await store.removeAbandoned();
    expect(await everything()).toEqual(['incoming/another/running', `sha256/ba/${ABC.slice('sha256:'.length)}`]);
  });

  it('has nothing to clear before the first upload', async () => {
    await (await open()).removeAbandoned();
    expect(await everything()).toEqual([]);
  });
});

const missing = missingS3();
if (missing) console.warn(`storage that speaks S3 is not tested: ${missing}`);

describe.skipIf(missing)('in a bucket', () => {
  let server: TestS3;
  let settings: S3Settings;
  let store: ArtifactStore;
  const credentials = { accessKeyId: 'kontor', secretAccessKey: 'secret' };
  beforeAll(async () => {
    server = await testS3();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    const bucket = await server.makeBucket();
    settings = { kind: 's3', bucket, region: 'us-east-1', endpoint: server.url, clientEndpoint: 'same', credentials };
    store = await openArtifacts(settings);
  });

  const tagsOf = (xml: string, name: string) =>
    [...xml.matchAll(new RegExp(`<${name}>(.*?)</${name}>`, 'g'))].map(([, text]) => text);
  const listed = async (query: string): Promise<readonly string[]> =>
    tagsOf(await (await fetch(`${server.url}/${settings.bucket}?${query}`)).text(), 'Key').map(String);
  const everything = async () => [...(await listed('list-type=2')), ...(await listed('uploads'))];

  contract(async () => ({ store, everything }));

  it('says that it cannot be reached, and that this passes', async () => {
    const away = await openArtifacts({ ...settings, endpoint: 'http://127.0.0.1:9' });
    await expect(away.put(from('abc'))).rejects.toThrow(StorageUnavailable);
    await expect(away.open(ABC)).rejects.toThrow(StorageUnavailable);
  });

  it('names the bucket that cannot be used, at start', async () => {
    const elsewhere = await openArtifacts({ ...settings, bucket: 'nobodys' });
    await expect(elsewhere.removeAbandoned()).rejects.toThrow(/the bucket nobodys .* cannot be used: /);
  });

  it('clears what this host left behind, and what is old of others', async () => {
    const at = (key: string) => `${server.url}/${settings.bucket}/${key}`;
    const running = ['incoming/another/running', 'uploads/name/running'];
    await store.put(from('abc'));
    for (const key of [`incoming/${hostname()}/own`, ...running]) await fetch(at(key), { method: 'PUT', body: 'half' });
    // This server says of all uploads in parts that they were begun in 2010.
    for (const key of [`incoming/${hostname()}/own`, 'uploads/name/old', 'sha256/half-copied'])
      await fetch(`${at(key)}?uploads`, { method: 'POST' });
    await store.removeAbandoned();
    expect(await everything()).toEqual([
      ...running.slice(0, 1),
      `sha256/ba/${ABC.slice('sha256:'.length)}`,
      ...running.slice(1),
    ]);
  });

  describe('past the gateway', () => {
    let direct: DirectTransfers;
    const PART_BYTES = 5 * 1024 * 1024;
    const bytes = randomBytes(PART_BYTES + 100);
    beforeEach(() => {
      if (!store.direct) throw new Error('no direct transfers');
      direct = store.direct;
    });

    const send = (links: readonly string[]) =>
      Promise.all(
        links.map(async (link, index) => {
          const body = bytes.subarray(index * PART_BYTES, (index + 1) * PART_BYTES);
          const { ok, headers } = await fetch(link, { method: 'PUT', body });
          if (!ok) throw new Error(`part ${index + 1} was refused`);
          return { partNumber: index + 1, etag: headers.get('etag') ?? '' };
        }),
      );

    it('takes a file in parts and makes it content under its digest, once, however often it is asked', async () => {
      const { digest: expected } = await store.put(Readable.from([bytes]));
      const { uploadId, links } = await direct.beginUpload('a file', 2);
      const parts = await send(links);
      const complete = () => direct.completeUpload('a file', uploadId, parts);
      const stored = { digest: expected, sizeBytes: bytes.length };
      expect(await Promise.all([complete(), complete()])).toEqual([stored, stored]);
      expect(await complete()).toEqual(stored);
      expect((await everything()).filter((key) => key.startsWith('sha256/'))).toHaveLength(1);
      expect(await listed('uploads')).toEqual([]);
      const again = (await openArtifacts(settings)).direct;
      expect(await again?.completeUpload('a file', uploadId, parts)).toEqual(stored);
    });

    it('is completed and aborted by who names the same file alone', async () => {
      const { uploadId, links } = await direct.beginUpload('mine', 2);
      const parts = await send(links);
      await expect(direct.completeUpload('another', uploadId, parts)).rejects.toThrow(UploadUnknown);
      await direct.abortUpload('another', uploadId);
      expect(await direct.completeUpload('mine', uploadId, parts)).toMatchObject({ sizeBytes: bytes.length });
    });

    it('forgets an upload that was aborted, with its parts', async () => {
      const { uploadId, links } = await direct.beginUpload('a file', 2);
      const parts = await send(links);
      await direct.abortUpload('a file', uploadId);
      await direct.abortUpload('a file', uploadId);
      await expect(direct.completeUpload('a file', uploadId, parts)).rejects.toThrow(UploadUnknown);
      expect(await everything()).toEqual([]);
    });

    it.each(['', 'x', '../../x', `${'0'.repeat(36)}.`, `${'0'.repeat(36)}.x`])(
      'knows no upload %j',
      async (uploadId) => {
        await expect(direct.completeUpload('a file', uploadId, [])).rejects.toThrow(UploadUnknown);
      },
    );

    it('refuses parts that nobody sent', async () => {
      const { uploadId } = await direct.beginUpload('a file', 1);
      const parts = [{ partNumber: 1, etag: '"00000000000000000000000000000000"' }];
      await expect(direct.completeUpload('a file', uploadId, parts)).rejects.toThrow(UploadInvalid);
    });

    it('gives links to content, with ranges and the name to keep it by', async () => {
      await store.put(from('abc'));
      const link = await direct.downloadLink(ABC, 'attachment; filename="a.txt"');
      const answer = await fetch(link, { headers: { range: 'bytes=1-1' } });
      expect(answer.status).toBe(206);
      expect(await answer.text()).toBe('b');
      expect(answer.headers.get('content-disposition')).toBe('attachment; filename="a.txt"');
      expect(answer.headers.get('content-type')).toBe('application/octet-stream');
    });

    it('signs for the address at which clients reach the storage', async () => {
      const outside = await openArtifacts({ ...settings, clientEndpoint: 'https://files.example' });
      expect(await outside.direct?.downloadLink(ABC, 'attachment')).toMatch(/^https:\/\/files\.example\/bucket-/);
      expect((await openArtifacts({ ...settings, clientEndpoint: 'none' })).direct).toBeUndefined();
    });
  });
});
