/** Facts that a line carries beside its message: ids, positions, counts. Never a token or a payload. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Structured lines on standard error, one JSON object each. */
export interface Log {
  info(message: string, fields?: LogFields): void;
  /** Something that a person should look at; with its cause. */
  error(message: string, error: unknown, fields?: LogFields): void;
}

/** @param process name that stands in every line. */
export const createLog = (name: string): Log => {
  const write = (level: 'info' | 'error', message: string, fields: LogFields): void => {
    const line = { time: new Date().toISOString(), level, process: name, message, ...fields };
    process.stderr.write(
      `${JSON.stringify(line, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))}\n`,
    );
  };
  return {
    info: (message, fields = {}) => write('info', message, fields),
    error: (message, error, fields = {}) => write('error', message, { ...fields, ...describe(error) }),
  };
};

const describe = (error: unknown): LogFields =>
  error instanceof Error
    ? { error: error.message, stack: error.stack, ...(error.cause !== undefined && { cause: String(error.cause) }) }
    : { error: String(error) };
