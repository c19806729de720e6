import { isTransient, KeysUnavailable } from '@kontor/event-store';
import pg from 'pg';

/** SQLSTATE of a statement that took longer than it may: the database is there. */
export const STATEMENT_CANCELLED = '57014';

/** Whether PostgreSQL cannot be asked at present: the system's code of a socket, or what pg says of a lost one. */
export const isDatabaseAway = (error: unknown): boolean => {
  if (error instanceof pg.DatabaseError) return isTransient(error) && error.code !== STATEMENT_CANCELLED;
  if (error instanceof KeysUnavailable) return true;
  if (!(error instanceof Error)) return false;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  return (
    /^E[A-Z]+$/.test(code) || /^Connection terminated|^timeout exceeded when trying to connect/.test(error.message)
  );
};
