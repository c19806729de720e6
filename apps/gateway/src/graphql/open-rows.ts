import type { PersonalData } from '@kontor/event-store';
import type { Entity } from './entity.js';

/** Rows of one workspace with the personal data that is still there, and a marker for what was erased. */
export const openRows = async <Row extends object>(
  personal: PersonalData,
  entity: Pick<Entity<Row>, 'personal'>,
  workspace: string,
  rows: readonly Row[],
): Promise<readonly Row[]> => {
  if (entity.personal.length === 0) return rows;
  const members = rows.map((row) =>
    entity.personal.flatMap((name) => (name in row ? [[name, row[name as keyof Row]] as const] : [])),
  );
  const opened = await personal.open(workspace, members);
  if (opened === members) return rows;
  return rows.map((row, index) => ({ ...row, ...Object.fromEntries(opened[index] ?? []) }));
};
