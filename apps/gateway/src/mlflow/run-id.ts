import { required, string } from './message.js';

/** Old clients send `run_uuid`, which is read as `run_id`. */
export const runIdFields = { run_id: required(string), run_uuid: string } as const;
