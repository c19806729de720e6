import type { Readable } from 'node:stream';

export interface StoredArtifact {
  /** `sha256:` and 64 hex digits. */
  readonly digest: string;
  readonly sizeBytes: number;
}

/** Content that is being read. */
export interface OpenArtifact {
  /** Of the whole content, whatever part is read. */
  readonly sizeBytes: number;
  readonly bytes: Readable;
}

/** Bytes from `start` up to and including `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Whoever needs content by its digest. */
export interface ArtifactReader {
  /** @throws ArtifactMissing, StorageUnavailable; the stream fails with what breaks it off later. */
  open(digest: string, range?: ByteRange): Promise<OpenArtifact>;
}

/**
 * Content by its SHA-256. Content is there whole or not at all, and never changes. Memory stays flat for any size, and
 * writers of the same content disturb neither each other nor readers.
 */
export interface ArtifactStore extends ArtifactReader {
  /**
   * Stores a stream of bytes. Durable when it returns.
   *
   * @param sizeBytes if the sender has announced it.
   * @throws UploadAborted if the source fails, StorageFull, StorageUnavailable. Nothing is stored then.
   */
  put(source: Readable, sizeBytes?: number): Promise<StoredArtifact>;

  /** Clears away what uploads left behind whose process has ended; to be called before a process takes its first one. */
  removeAbandoned(): Promise<void>;

  /** Transfers past this process; undefined where clients cannot reach the storage. */
  readonly direct: DirectTransfers | undefined;
}

/** One part of an upload, as the storage has confirmed it to the client. */
export interface UploadedPart {
  readonly partNumber: number;
  readonly etag: string;
}

/** Transfers between clients and the storage itself, by links that expire. */
export interface DirectTransfers {
  /**
   * Begins an upload in parts, for a day.
   *
   * @param name of what is uploaded. Only who gives the same name can complete or abort it.
   * @returns one link per part, in order: each takes a PUT with the bytes of its part.
   */
  beginUpload(name: string, parts: number): Promise<{ readonly uploadId: string; readonly links: readonly string[] }>;

  /**
   * Makes the parts one content: reads them back once for their digest. May be repeated.
   *
   * @throws UploadUnknown, UploadInvalid for parts that the storage does not accept, StorageUnavailable.
   */
  completeUpload(name: string, uploadId: string, parts: readonly UploadedPart[]): Promise<StoredArtifact>;

  /** Forgets an upload and its parts; nothing happens if there is none. */
  abortUpload(name: string, uploadId: string): Promise<void>;

  /** A link to content, for an hour. @param disposition what the storage answers as Content-Disposition. */
  downloadLink(digest: string, disposition: string): Promise<string>;
}

/** An upload ended before its announced length, or the client went away. Nothing was stored. */
export class UploadAborted extends Error {
  constructor(options: { readonly cause: unknown }) {
    super('the upload ended before it was complete', options);
    this.name = 'UploadAborted';
  }
}

/** No upload of this name has this id: it was aborted, has expired, or never began. */
export class UploadUnknown extends Error {
  constructor(options?: { readonly cause: unknown }) {
    super('there is no such upload', options);
    this.name = 'UploadUnknown';
  }
}

/** The parts are not those that were uploaded, or too small. */
export class UploadInvalid extends Error {
  constructor(reason: string, options: { readonly cause: unknown }) {
    super(reason, options);
    this.name = 'UploadInvalid';
  }
}

/** No content has this digest. */
export class ArtifactMissing extends Error {
  constructor(digest: string, options: { readonly cause: unknown }) {
    super(`the bytes of ${digest} are not in the artifact store`, options);
    this.name = 'ArtifactMissing';
  }
}

/** The storage takes no more bytes. */
export class StorageFull extends Error {
  constructor(options: { readonly cause: unknown }) {
    super('the artifact store has no space left', options);
    this.name = 'StorageFull';
  }
}

/** The storage does not answer, or not as it should: worth another try later. */
export class StorageUnavailable extends Error {
  readonly retryable = true;

  constructor(options: { readonly cause: unknown }) {
    super('the artifact store cannot be reached', options);
    this.name = 'StorageUnavailable';
  }
}
