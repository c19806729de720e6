/** One request to MLflow's API or the artifact proxy that must be refused. */
export interface MlflowCase {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Behind `/api/2.0/`, unless it begins with a slash. */
  readonly path: string;
  /** JSON, or the text itself. */
  readonly body?: object | string | undefined;
  /** JSON unless it is said; null for none. */
  readonly contentType?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly status: number;
  readonly code: string;
  /** Field, problem and what is allowed. */
  readonly says: string;
}
