import { hash, randomUUID } from 'node:crypto';
import { json } from 'node:stream/consumers';
import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  ListPartsCommand,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { artifactKey } from './artifact-file.js';
import {
  type DirectTransfers,
  type StoredArtifact,
  type UploadedPart,
  UploadInvalid,
  UploadUnknown,
} from './artifact-store.js';
import { isAbsent, ofStorage, unlessAbsent } from './s3-errors.js';

/** As long as an upload is kept: a slow line may need it for the last part. */
const PART_LINK_S = 24 * 60 * 60;
/** Clients ask for another link when one has expired. */
const DOWNLOAD_LINK_S = 60 * 60;

/** What is wrong with the parts that a client names. @source Amazon S3 API Reference, CompleteMultipartUpload, errors */
const INVALID_PARTS = ['InvalidPart', 'InvalidPartOrder', 'EntityTooSmall', 'MalformedXML', 'InvalidArgument'];

interface Parts {
  readonly client: S3Client;
  /** Signs for the address at which clients reach the storage. */
  readonly signer: S3Client;
  readonly bucket: string;
  /** Makes the content of a key an artifact, and leaves the key. */
  readonly adopt: (key: string) => Promise<StoredArtifact>;
}

/**
 * Uploads lie at `uploads/<SHA-256 of their name>/<their own id>` until they are complete. Client and process need to know no
 * more than the upload's id, so any gateway may complete what another one began.
 */
export class S3Transfers implements DirectTransfers {
  static readonly PREFIX = 'uploads/';

  /** A client that waits no longer for its answer asks again while the bytes are still being read back. */
  readonly #completing = new Map<string, Promise<StoredArtifact>>();

  constructor(private readonly parts: Parts) {}

  async beginUpload(name: string, parts: number): Promise<{ uploadId: string; links: readonly string[] }> {
    const { client, signer, bucket: Bucket } = this.parts;
    const id = randomUUID();
    const Key = keyOf(name, id);
    try {
      const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
      const links: string[] = [];
      for (let PartNumber = 1; PartNumber <= parts; PartNumber += 1) {
        const part = new UploadPartCommand({ Bucket, Key, UploadId, PartNumber });
        links.push(await getSignedUrl(signer, part, { expiresIn: PART_LINK_S }));
      }
      return { uploadId: `${id}.${UploadId}`, links };
    } catch (error) {
      throw ofStorage(error);
    }
  }

  async completeUpload(name: string, uploadId: string, parts: readonly UploadedPart[]): Promise<StoredArtifact> {
    const upload = uploadOf(name, uploadId);
    const running = this.#completing.get(upload.Key) ?? this.#complete(upload, parts);
    this.#completing.set(upload.Key, running);
    return running.finally(() => this.#completing.delete(upload.Key));
  }

  async #complete({ Key, UploadId }: UploadKey, parts: readonly UploadedPart[]): Promise<StoredArtifact> {
    const { client, bucket: Bucket, adopt } = this.parts;
    const done = { Bucket, Key: `${Key}.json` };
    try {
      const Parts = parts.map(({ partNumber, etag }) => ({ PartNumber: partNumber, ETag: etag }));
      const join = new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } });
      // Asked first, because some storage fails at joining what it does not know. No upload: an earlier try has joined it.
      const known = await client.send(new ListPartsCommand({ Bucket, Key, UploadId, MaxParts: 1 })).catch(unlessAbsent);
      if (known) await client.send(join);
      const stored = await adopt(Key);
      // Whoever repeats the request later finds what the upload became.
      await client.send(new PutObjectCommand({ ...done, Body: JSON.stringify(stored) }));
      await client.send(new DeleteObjectCommand({ Bucket, Key }));
      return stored;
    } catch (cause) {
      if (cause instanceof S3ServiceException && INVALID_PARTS.includes(cause.name))
        throw new UploadInvalid(cause.message, { cause });
      if (!isAbsent(cause)) throw ofStorage(cause);
      const became = await client.send(new GetObjectCommand(done)).catch(unlessAbsent);
      if (became === undefined) throw new UploadUnknown({ cause });
      return (await json(became.Body as Readable)) as StoredArtifact;
    }
  }

  async abortUpload(name: string, uploadId: string): Promise<void> {
    const { client, bucket: Bucket } = this.parts;
    const { Key, UploadId } = uploadOf(name, uploadId);
    try {
      await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId })).catch(unlessAbsent);
      // Parts that were put together already, by a completion that failed later.
      await client.send(new DeleteObjectCommand({ Bucket, Key }));
    } catch (error) {
      throw ofStorage(error);
    }
  }

  async downloadLink(digest: string, disposition: string): Promise<string> {
    const { signer, bucket: Bucket } = this.parts;
    const content = { Bucket, Key: artifactKey(digest), ResponseContentDisposition: disposition };
    // Bytes: the storage must not show a page that somebody has uploaded.
    const object = new GetObjectCommand({ ...content, ResponseContentType: 'application/octet-stream' });
    return getSignedUrl(signer, object, { expiresIn: DOWNLOAD_LINK_S });
  }
}

const keyOf = (name: string, id: string): string => `${S3Transfers.PREFIX}${hash('sha256', name, 'hex')}/${id}`;

interface UploadKey {
  readonly Key: string;
  readonly UploadId: string;
}

/** @throws UploadUnknown for an id that `beginUpload` never gives. */
const uploadOf = (name: string, uploadId: string): UploadKey => {
  const [, id, UploadId] = /^([0-9a-f-]{36})\.(.{1,1024})$/.exec(uploadId) ?? [];
  if (id === undefined || UploadId === undefined) throw new UploadUnknown();
  return { Key: keyOf(name, id), UploadId };
};
