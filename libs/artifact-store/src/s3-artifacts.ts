import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  type ListMultipartUploadsCommandOutput,
  type MultipartUpload,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { isAbandoned, ownFolder } from './abandoned.js';
import { artifactKey } from './artifact-file.js';
import {
  ArtifactMissing,
  type ArtifactStore,
  type ByteRange,
  type DirectTransfers,
  type OpenArtifact,
  type StoredArtifact,
} from './artifact-store.js';
import { measured, sentByClient } from './measured.js';
import { copyObject, MAX_PARTS } from './s3-copy.js';
import { isAbsent, ofStorage, unlessAbsent } from './s3-errors.js';
import { S3Transfers } from './s3-transfers.js';
import type { S3Settings } from './settings.js';

const INCOMING = 'incoming';

/** An upload holds two parts in memory, one filling and one on its way. 10,000 of them are 80 GB where no length was announced. */
const PART_BYTES = 8 * 1024 * 1024;
const PARTS_AT_ONCE = 2;

const CONNECT_TIMEOUT_MS = 5_000;
/** Without a byte. A copy inside of the storage may take minutes before its answer. */
const IDLE_TIMEOUT_MS = 300_000;
/** Each download through this process holds one for as long as its client reads. */
const MAX_SOCKETS = 256;

const connect = ({ region, credentials }: S3Settings, endpoint: string | undefined): S3Client =>
  new S3Client({
    region,
    // The bucket in the path: other storage than AWS often has no name per bucket.
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
    ...(credentials && { credentials }),
    // Other storage often does not know the newer checksums, and content is proven by its own digest.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: IDLE_TIMEOUT_MS,
      httpAgent: { maxSockets: MAX_SOCKETS },
      httpsAgent: { maxSockets: MAX_SOCKETS },
    },
  });

/**
 * Objects by content: `sha256/<first two hex digits>/<64 hex digits>` in a bucket of its own.
 *
 * The digest is known when the last byte has passed, and an object cannot be renamed. So bytes go to a key of their own
 * below `incoming/` and are then copied inside of the storage. Keeping them on a local disk until the digest is known would
 * need as much of it as clients upload at once.
 */
export class S3Artifacts implements ArtifactStore {
  readonly direct: DirectTransfers | undefined;
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(settings: S3Settings) {
    const { bucket, endpoint, clientEndpoint } = settings;
    this.#bucket = bucket;
    this.#client = connect(settings, endpoint);
    if (clientEndpoint === 'none') return;
    const signer = clientEndpoint === 'same' ? this.#client : connect(settings, clientEndpoint);
    this.direct = new S3Transfers({ client: this.#client, signer, bucket, adopt: (key) => this.#adopt(key) });
  }

  async put(source: Readable, announcedBytes = 0): Promise<StoredArtifact> {
    const Key = `${INCOMING}/${ownFolder()}/${randomUUID()}`;
    const upload = measured(sentByClient(source));
    try {
      await new Upload({
        client: this.#client,
        params: { Bucket: this.#bucket, Key, Body: Readable.from(upload.bytes) },
        queueSize: PARTS_AT_ONCE,
        partSize: Math.max(PART_BYTES, Math.ceil(announcedBytes / MAX_PARTS)),
      }).done();
      const stored = upload.result();
      await this.#settle(Key, stored);
      await this.#remove(Key);
      return stored;
    } catch (error) {
      throw ofStorage(error);
    }
  }

  async open(digest: string, range?: ByteRange): Promise<OpenArtifact> {
    try {
      return await this.#read(artifactKey(digest), range);
    } catch (cause) {
      throw isAbsent(cause) ? new ArtifactMissing(digest, { cause }) : ofStorage(cause);
    }
  }

  async removeAbandoned(): Promise<void> {
    const Bucket = this.#bucket;
    const isLeft = (key: string, writtenAt: Date | undefined): boolean => {
      const [root, folder = ''] = key.split('/');
      return isAbandoned(root === INCOMING ? folder : '', writtenAt?.getTime() ?? Date.now(), Date.now());
    };
    try {
      for (const Prefix of [`${INCOMING}/`, S3Transfers.PREFIX])
        for await (const { Contents = [] } of paginateListObjectsV2({ client: this.#client }, { Bucket, Prefix }))
          for (const { Key = '', LastModified } of Contents) if (isLeft(Key, LastModified)) await this.#remove(Key);
      for await (const { Key = '', UploadId, Initiated } of this.#unfinished())
        if (isLeft(Key, Initiated))
          await this.#client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId })).catch(unlessAbsent);
    } catch (cause) {
      throw new Error(`the bucket ${Bucket} of the artifact store cannot be used: ${(cause as Error).message}`, {
        cause,
      });
    }
  }

  /** Uploads in parts that nobody has completed, ours and those of clients. */
  async *#unfinished(): AsyncGenerator<MultipartUpload> {
    let after: { readonly KeyMarker?: string | undefined; readonly UploadIdMarker?: string | undefined } = {};
    for (let isMore = true; isMore;) {
      const page: ListMultipartUploadsCommandOutput = await this.#client.send(
        new ListMultipartUploadsCommand({ Bucket: this.#bucket, ...after }),
      );
      yield* page.Uploads ?? [];
      isMore = page.IsTruncated ?? false;
      after = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
    }
  }

  async #read(Key: string, range?: ByteRange): Promise<OpenArtifact> {
    const Range = range && `bytes=${range.start}-${range.end}`;
    const answer = await this.#client.send(
      new GetObjectCommand({ Bucket: this.#bucket, Key, ...(Range && { Range }) }),
    );
    const whole = answer.ContentRange?.split('/')[1] ?? answer.ContentLength;
    return { sizeBytes: Number(whole), bytes: answer.Body as Readable };
  }

  /** Takes the digest of an object that a client wrote, and copies it to where its content belongs. */
  async #adopt(key: string): Promise<StoredArtifact> {
    const content = measured((await this.#read(key)).bytes);
    for await (const chunk of content.bytes) void chunk;
    const stored = content.result();
    await this.#settle(key, stored);
    return stored;
  }

  /** Copies an object to where its content belongs, unless that is there already. */
  async #settle(from: string, { digest, sizeBytes }: StoredArtifact): Promise<void> {
    const bucket = this.#bucket;
    const to = artifactKey(digest);
    const known = await this.#client.send(new HeadObjectCommand({ Bucket: bucket, Key: to })).catch(unlessAbsent);
    if (known?.ContentLength !== sizeBytes) await copyObject(this.#client, { bucket, from, to, sizeBytes });
  }

  async #remove(Key: string): Promise<void> {
    await this.#client.send(new DeleteObjectCommand({ Bucket: this.#bucket, Key }));
  }
}
