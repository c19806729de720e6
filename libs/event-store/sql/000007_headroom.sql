-- How far the log can go on without a new partition. Writers make partitions ahead (es.prepare_partitions); this says whether
-- they did, in one row, to whoever may read the log.
CREATE VIEW es.headroom AS
WITH part AS (
  SELECT i.inhparent AS parent, c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
  WHERE i.inhparent IN ('es.event'::regclass, 'es.command'::regclass)
)
SELECT
  -- Positions up to the first partition that is missing; three partitions ahead are more than anybody has to know.
  (SELECT min(n) FROM generate_series(h.last_pos / 16777216, h.last_pos / 16777216 + 3) AS n
   WHERE n = h.last_pos / 16777216 + 3
      OR NOT EXISTS (SELECT FROM part WHERE parent = 'es.event'::regclass AND name = 'event_p' || n)) * 16777216 - h.last_pos AS positions_left,
  -- The moment up to which command ids have a month of their own.
  (SELECT min(m) FROM generate_series(0, 3) AS ahead,
     LATERAL (SELECT date_trunc('month', clock_timestamp(), 'UTC') + ahead * interval '1 month' AS m)
   WHERE ahead = 3 OR NOT EXISTS (SELECT FROM part WHERE parent = 'es.command'::regclass AND name = 'command_' || to_char(m AT TIME ZONE 'UTC', 'YYYY_MM'))) AS commands_until,
  EXISTS (SELECT FROM es.command_default) AS commands_astray
FROM es.log_head h WHERE h.log_id = 0;
GRANT SELECT ON es.headroom TO kontor_reader;
