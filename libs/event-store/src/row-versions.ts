import { createHash, type Hash } from 'node:crypto';
import type { Position } from '@kontor/event-sourcing';
import {
  allColumnsOf,
  columnsFromBody,
  columnsOf,
  OPEN_END,
  type ReadModel,
  type ReadModelTables,
} from './read-model.js';

/** One version of a row: where it was true, and its canonical content. */
export interface RowVersion {
  readonly key: string;
  readonly validFrom: Position;
  readonly validTo: Position;
  /** Workspace and canonical body; differs also if a declared column does not equal its property. */
  readonly content: string;
}

/** The first row version, in the order of keys and positions, that is on one side only or has another content. */
export interface RowDifference {
  readonly key: string;
  readonly validFrom: Position;
  readonly validTo: Position;
  readonly problem: 'missing' | 'unexpected' | 'different';
}

/** What equal row versions have in common. */
export interface RowsDigest {
  readonly rows: number;
  /** Over the sorted versions. */
  readonly sha256: string;
}

/**
 * SQL for the versions of a read model's rows as they were at a position: what was closed later is still open there.
 * Columns key, workspace, body (text), valid_from, valid_to, columns_agree.
 */
export const rowVersionsSql = (readModel: ReadModel, { open, past }: ReadModelTables, at: Position): string => {
  const declared = columnsOf(readModel);
  const agree = declared.map((column) => `v.${column} IS NOT DISTINCT FROM r.${column}`).join(' AND ') || 'true';
  const names = allColumnsOf(readModel).join(', ');
  return `
    SELECT v.key, v.workspace, v.body::text AS body, v.valid_from,
           CASE WHEN v.valid_to > ${at} THEN ${OPEN_END} ELSE v.valid_to END AS valid_to, ${agree} AS columns_agree
    FROM (SELECT ${names} FROM ${open} UNION ALL SELECT ${names} FROM ${past}) v ${columnsFromBody(readModel, 'v')}
    WHERE v.valid_from <= ${at}`;
};

/** Counts and hashes row versions in the order in which they come. */
export class RowsHash {
  readonly #hash: Hash = createHash('sha256');
  #rows = 0;

  add({ key, validFrom, validTo, content }: RowVersion): void {
    this.#hash.update(`${JSON.stringify([key, validFrom.toString(), validTo.toString()])}${content}\n`);
    this.#rows += 1;
  }

  digest(): RowsDigest {
    return { rows: this.#rows, sha256: this.#hash.digest('hex') };
  }
}

/** What is compared and hashed of a row version: equal text means equal content. */
export const contentOf = (workspace: string, body: string, columnsAgree: boolean): string =>
  `${JSON.stringify(workspace)}${columnsAgree ? '' : ' columns differ'} ${canonical(JSON.parse(body))}`;

/** By UTF-16 code units: the order of the hash depends on no locale. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * JSON with sorted member names, so that equal content has one text.
 *
 * @source RFC 8785, section 3.2.
 */
const canonical = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => compareText(a, b));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`;
};
