import { S3ServiceException } from '@aws-sdk/client-s3';
import { StorageFull, StorageUnavailable } from './artifact-store.js';

/** What S3 calls the absence of an object or an upload; `NotFound` where the answer has no body. */
const ABSENT = ['NoSuchKey', 'NotFound', 'NoSuchUpload'];

export const isAbsent = (error: unknown): boolean => error instanceof S3ServiceException && ABSENT.includes(error.name);

/** Undefined for an object or upload that is not there. */
export const unlessAbsent = (error: unknown): undefined => {
  if (isAbsent(error)) return undefined;
  throw error;
};

/** What the SDK throws when it has given up trying: nobody answers, or the storage says that it cannot at present. */
const isUnavailable = (error: unknown): boolean => {
  if (error instanceof S3ServiceException) {
    const { httpStatusCode = 500 } = error.$metadata;
    return httpStatusCode >= 500 || httpStatusCode === 429;
  }
  return error instanceof Error && (error.name === 'TimeoutError' || 'syscall' in error);
};

/** An error of the SDK as one of the store's; what only a person can mend (a wrong key, no right) stays what it is. */
export const ofStorage = (cause: unknown): unknown => {
  if (cause instanceof S3ServiceException && cause.$metadata.httpStatusCode === 507) return new StorageFull({ cause });
  return isUnavailable(cause) ? new StorageUnavailable({ cause }) : cause;
};
