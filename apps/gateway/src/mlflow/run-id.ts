import { invalid } from './errors.js';
import { string } from './message.js';

/** Old clients send `run_uuid`. */
export const runIdFields = { run_id: string, run_uuid: string } as const;

/** @throws MlflowError if both spellings of the run's id are missing. */
export const idOf = ({ run_id, run_uuid }: { run_id: string | undefined; run_uuid: string | undefined }): string => {
  const id = run_id || run_uuid;
  if (id) return id;
  throw invalid(
    "Missing value for required parameter 'run_id'. See the API docs for more information about request parameters.",
  );
};
