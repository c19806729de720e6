import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  type S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { unlessAbsent } from './s3-errors.js';

/** A single copy takes at most 5 GiB, and tens of seconds for that; in parts it takes as long as its slowest eighth. */
const SINGLE_COPY_BYTES = 256 * 1024 * 1024;
const PARTS_AT_ONCE = 8;

/** @source Amazon S3 User Guide, multipart upload limits */
export const MAX_PARTS = 10_000;

/** The bytes of part `number` (from 1) of a copy, both ends included. */
const rangeOfPart = (number: number, partBytes: number, sizeBytes: number): string =>
  `bytes=${(number - 1) * partBytes}-${Math.min(number * partBytes, sizeBytes) - 1}`;

/** Copies an object inside of the bucket; its bytes do not pass through this process. */
export const copyObject = async (
  client: S3Client,
  { bucket, from, to, sizeBytes }: { bucket: string; from: string; to: string; sizeBytes: number },
): Promise<void> => {
  const target = { Bucket: bucket, Key: to };
  const CopySource = `${bucket}/${from}`;
  if (sizeBytes <= SINGLE_COPY_BYTES) {
    await client.send(new CopyObjectCommand({ ...target, CopySource }));
    return;
  }
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(target));
  const partBytes = Math.max(SINGLE_COPY_BYTES, Math.ceil(sizeBytes / MAX_PARTS));
  const count = Math.ceil(sizeBytes / partBytes);
  const etags: (string | undefined)[] = Array.from({ length: count });
  let next = 1;
  const copyParts = async (): Promise<void> => {
    for (let number = next++; number <= count; number = next++) {
      const part = { UploadId, PartNumber: number, CopySourceRange: rangeOfPart(number, partBytes, sizeBytes) };
      const { CopyPartResult } = await client.send(new UploadPartCopyCommand({ ...target, ...part, CopySource }));
      etags[number - 1] = CopyPartResult?.ETag;
    }
  };
  try {
    await Promise.all(Array.from({ length: Math.min(PARTS_AT_ONCE, count) }, copyParts));
    const Parts = etags.map((ETag, index) => ({ ETag, PartNumber: index + 1 }));
    await client.send(new CompleteMultipartUploadCommand({ ...target, UploadId, MultipartUpload: { Parts } }));
  } catch (error) {
    await client.send(new AbortMultipartUploadCommand({ ...target, UploadId })).catch(unlessAbsent);
    throw error;
  }
};
