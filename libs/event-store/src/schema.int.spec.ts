// The schema as a review sees it: whatever the migrations come to is one text in the repository, so that a change of a column,
// an index or a grant is a visible difference. `vitest -u` writes it anew.
import { testDatabase } from '@kontor/testing';
import { expect, it } from 'vitest';
import { openLog } from './log.fixture.js';

// Partitions are left out: which there are depends on the day.
const CATALOG = `
  WITH t AS (
    SELECT c.oid, c.relname, c.relkind, c.reloptions, c.relacl, pg_get_partkeydef(c.oid) AS partition_key
    FROM pg_class c WHERE c.relnamespace = 'es'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
  ), line AS (
    SELECT relname AS thing, 1 AS kind, 0 AS place, 'TABLE es.' || relname || coalesce(' PARTITION BY ' || partition_key, '')
           || coalesce(' WITH (' || array_to_string(reloptions, ', ') || ')', '') AS text FROM t WHERE relkind <> 'v'
    UNION ALL SELECT relname, 1, 0, 'VIEW es.' || relname || ' AS ' || regexp_replace(pg_get_viewdef(oid), '\\s+', ' ', 'g') FROM t WHERE relkind = 'v'
    UNION ALL SELECT relname, 2, a.attnum, '  ' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
           || CASE WHEN l.collname = 'C' THEN ' COLLATE "C"' ELSE '' END || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
           || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')
      FROM t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
      LEFT JOIN pg_collation l ON l.oid = a.attcollation LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
    UNION ALL SELECT relname, 3, 0, '  ' || pg_get_constraintdef(c.oid) FROM t JOIN pg_constraint c ON c.conrelid = t.oid AND c.contype <> 'n'
    UNION ALL SELECT relname, 4, 0, '  ' || pg_get_indexdef(i.indexrelid) FROM t JOIN pg_index i ON i.indrelid = t.oid AND NOT i.indisprimary
    UNION ALL SELECT relname, 5, 0, '  ' || pg_get_triggerdef(g.oid) FROM t JOIN pg_trigger g ON g.tgrelid = t.oid AND NOT g.tgisinternal
    UNION ALL SELECT relname, 6, 0, '  GRANT ' || string_agg(x.privilege_type, ', ' ORDER BY x.privilege_type) || ' TO ' || x.grantee::regrole
      FROM t, aclexplode(t.relacl) x WHERE x.grantee <> 'kontor_owner'::regrole GROUP BY relname, x.grantee
    UNION ALL SELECT 'DOMAIN ' || y.typname, 7, 0, 'DOMAIN es.' || y.typname || ' AS ' || format_type(y.typbasetype, y.typtypmod) || ' '
           || pg_get_constraintdef(c.oid) FROM pg_type y JOIN pg_constraint c ON c.contypid = y.oid WHERE y.typnamespace = 'es'::regnamespace
    UNION ALL SELECT 'FUNCTION ' || p.proname, 8, 0, 'FUNCTION es.' || p.oid::regprocedure::text || ' RETURNS ' || pg_get_function_result(p.oid)
           || CASE WHEN p.prosecdef THEN ' SECURITY DEFINER' ELSE '' END || coalesce(' SET ' || array_to_string(p.proconfig, ' SET '), '')
           || coalesce((SELECT string_agg(' GRANT EXECUTE TO ' || CASE x.grantee WHEN 0 THEN 'PUBLIC' ELSE x.grantee::regrole::text END, '' ORDER BY x.grantee::regrole::text)
                        FROM aclexplode(p.proacl) x WHERE x.grantee <> 'kontor_owner'::regrole), '')
      FROM pg_proc p WHERE p.pronamespace = 'es'::regnamespace
  )
  SELECT text FROM line ORDER BY thing, kind, place, text`;

it('is the committed schema after all migrations', async () => {
  const log = await openLog(await testDatabase());
  const { rows } = await log.admin.query<{ text: string }>(CATALOG);
  await log.close();
  const text = `${rows.map((row) => row.text.replaceAll('es.es.', 'es.')).join('\n')}\n`;
  await expect(text).toMatchFileSnapshot('../sql/schema.snapshot.sql');
});
