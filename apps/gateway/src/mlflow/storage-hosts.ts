import { invalid } from './errors.js';

// Schemes whose URI names a host that a server would connect to. @source MLflow 3.18.0, host-addressed artifact schemes
const HOST_SCHEMES = ['ftp', 'sftp', 'hdfs', 'viewfs', 'http', 'https', 'r2', 'b2', 'abfss'];

/** Whether a URI names a host that is not the platform's own storage. */
export const addressesHost = (scheme: string, uri: string): boolean =>
  HOST_SCHEMES.includes(scheme.toLowerCase()) || /^mlflow-artifacts:\/\/[^/]/i.test(uri);

/** Fields of requests that say where files are to lie. */
export type LocationField = 'artifact_location' | 'default_artifact_root';

/** @param field of the request that holds the URI. */
export const foreignHost = (field: 'source' | LocationField, scheme: string) =>
  invalid(
    `'${field}' cannot use the '${scheme}' scheme: the '${scheme}' scheme addresses a host other than the tracking ` +
      "server's configured artifact storage, so the server would connect to the host named in the URI.",
  );
