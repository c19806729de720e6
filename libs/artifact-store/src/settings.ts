/** A bucket of a storage that speaks S3. */
export interface S3Settings {
  readonly kind: 's3';
  readonly bucket: string;
  readonly region: string;
  /** Undefined is AWS. */
  readonly endpoint: string | undefined;
  /** Where clients reach the storage themselves: as this process does, at another address, or not at all. */
  readonly clientEndpoint: 'same' | 'none' | (string & {});
  /** Undefined takes what the machine has, as the SDK finds it: a role, a file, AWS_... variables. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
}

/** Where content lies. */
export type ArtifactSettings = { readonly kind: 'disk'; readonly directory: string } | S3Settings;
