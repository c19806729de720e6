-- es.append, made anew: a batch may hold several commands of one stream, each decided on the one before it. So 32 clients that
-- register versions of one model share a call, as those of 32 models always did. This is the one that runs.
--
-- One call appends a batch of commands. Several statements on purpose: lock the head row; then look and decide; then write.
-- A single statement that waited for the row lock would still see the old snapshot of es.stream and could accept a
-- stale expected version. In plpgsql each statement of a VOLATILE function takes a new snapshot (READ COMMITTED).
--
-- The caller guarantees: in one batch at most one command per command id and claim key; no stream that one command guards and
-- another writes; of a stream that several commands write, that it is known, and the only one that they write, in the order in
-- which they were decided. Of those, whatever stands behind a refused one is refused as well (`broken`): it was decided on what
-- never happened, although its version may be right by chance.
--
-- Answers with one row of ord 0 for everything that was appended: its positions, and per write of an appended command the
-- version of the stream afterwards. Every command without a row of its own was appended; the others say why not.
CREATE OR REPLACE FUNCTION es.append(p_log smallint,
  c_id uuid[], c_hash bytea[], c_actor text[], c_corr uuid[], c_caus uuid[],           -- per command
  w_cmd int[], w_stream text[], w_expected bigint[], w_n int[],                         -- per write, in command order
  g_cmd int[], g_stream text[], g_expected bigint[],                                    -- guards
  k_cmd int[], k_stream text[], k_kind text[], k_key text[], k_take boolean[],          -- claims
  e_write int[], e_off int[], e_id uuid[], e_type text[], e_ver smallint[], e_occ timestamptz[], e_data text[], e_meta text[])
RETURNS TABLE (ord int, outcome text, first_pos bigint, last_pos bigint, versions bigint[], recorded_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, es AS $$
#variable_conflict use_column
DECLARE
  v_ids CONSTANT uuid[] := array_sort(c_id);
  v_pos bigint; v_at timestamptz; v_origin text; v_ts timestamptz; v_iso text;
  v_contexts text[];                                                                    -- that the role may write
  v_foreign_context boolean; v_foreign_type boolean; v_bad_places boolean;
  v_chained boolean;                                                                    -- several writes of one stream
  v_cur bigint[]; v_row tid[]; v_end bigint[];         -- per write: version and place of the stream before, last position; none if refused
  v_known int[]; v_claimed int[] := '{}'; v_stale int[]; v_moved int[] := '{}'; v_broken int[] := '{}';  -- commands that are not appended
  v_refused int[];
  v_last bigint; v_versions bigint[];
BEGIN
  -- session_user, because current_user is the owner in here.
  SELECT h.last_pos, h.last_at, h.origin, ARRAY(SELECT r.context FROM role_context r WHERE r.role = session_user)
    INTO STRICT v_pos, v_at, v_origin, v_contexts
    FROM log_head h WHERE h.log_id = p_log FOR UPDATE;                                  -- the lock
  v_ts  := greatest(clock_timestamp(), v_at);
  v_iso := to_char(v_ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');

  -- LIMIT keeps it a look-up by key, whatever the planner believes about the table. Positions as if no command were refused.
  SELECT array_agg(x.cur ORDER BY w), array_agg(x.ctid ORDER BY w), array_agg(x.cur + w_n[w] ORDER BY w), array_agg(v_pos + x.total ORDER BY w),
         max(v_pos + x.total), bool_or((split_part(w_stream[w], '/', 2) = ANY (v_contexts)) IS NOT TRUE), count(x.ctid) > count(DISTINCT x.ctid)
  INTO v_cur, v_row, v_versions, v_end, v_last, v_foreign_context, v_chained
  FROM (SELECT w, coalesce(s.version, 0) AS cur, s.ctid, sum(w_n[w]) OVER (ORDER BY w ROWS UNBOUNDED PRECEDING) AS total
        FROM (SELECT generate_series(1, cardinality(w_cmd)) AS w) AS n
        LEFT JOIN LATERAL (SELECT s.version, s.ctid FROM stream s WHERE s.stream_id = w_stream[w] LIMIT 1) AS s ON true) AS x;
  IF v_chained THEN
    SELECT array_agg(x.cur ORDER BY w), array_agg(x.cur + w_n[w] ORDER BY w) INTO v_cur, v_versions
    FROM (SELECT w, v_cur[w] + CASE WHEN v_row[w] IS NULL THEN 0 ELSE sum(w_n[w]) OVER (PARTITION BY v_row[w] ORDER BY w ROWS UNBOUNDED PRECEDING) - w_n[w] END AS cur
          FROM (SELECT generate_series(1, cardinality(w_cmd)) AS w) AS n) AS x;
  END IF;
  SELECT
    -- One service cannot forge another's events or names.
    v_foreign_context OR EXISTS (SELECT FROM unnest(k_stream) AS s WHERE (split_part(s, '/', 2) = ANY (v_contexts)) IS NOT TRUE),
    -- Nor events of a type that another context owns: readers of GateEvaluated look at its type.
    EXISTS (SELECT FROM event_type t WHERE t.type = ANY (e_type) AND v_contexts <> ARRAY[t.context]
              AND (SELECT bool_or(t.context <> split_part(w_stream[e.wo], '/', 2)) FROM unnest(e_type, e_write) AS e(type, wo) WHERE e.type = t.type)),
    -- Positions follow from n, so n must say how many events there are, and each must have a place of its own. A place
    -- taken twice fails at the primary key.
    0 >= ANY (w_n) OR cardinality(w_n) <> cardinality(w_cmd) OR cardinality(e_id) <> coalesce(v_last - v_pos, 0)
      OR EXISTS (SELECT FROM (SELECT generate_series(1, cardinality(e_id)) AS i) AS n WHERE (e_off[i] >= 0 AND e_off[i] < w_n[e_write[i]]) IS NOT TRUE),
    ARRAY(SELECT array_position(c_id, k.command_id) FROM command k
          WHERE k.command_id = ANY (c_id) AND k.command_id BETWEEN v_ids[1] AND v_ids[cardinality(v_ids)]),  -- the months that it can be in
    ARRAY(SELECT w_cmd[w] FROM (SELECT generate_series(1, cardinality(w_cmd)) AS w) AS n WHERE w_expected[w] <> -1 AND w_expected[w] <> v_cur[w])
  INTO v_foreign_context, v_foreign_type, v_bad_places, v_known, v_stale;
  IF v_foreign_context THEN
    RAISE EXCEPTION 'context not allowed for role %', session_user USING ERRCODE = '42501';
  ELSIF v_foreign_type THEN
    RAISE EXCEPTION 'event type not allowed for role %', session_user USING ERRCODE = '42501';
  ELSIF v_bad_places THEN
    RAISE EXCEPTION 'a write must have at least one event, at the places 0 to n - 1' USING ERRCODE = '22023';
  END IF;
  -- Few commands have guards or claims, and even an empty part of a statement costs its start.
  IF cardinality(g_cmd) > 0 THEN
    v_moved := ARRAY(SELECT g.cmd FROM unnest(g_cmd, g_stream, g_expected) AS g(cmd, stream, expected)
                     WHERE g.expected <> coalesce((SELECT s.version FROM stream s WHERE s.stream_id = g.stream), 0));
  END IF;
  IF cardinality(k_cmd) > 0 THEN
    -- A kind of name belongs to its context: another one cannot take the name of a registered model.
    k_kind := ARRAY(SELECT split_part(k.stream, '/', 2) || '/' || k.kind FROM unnest(k_stream, k_kind) AS k(stream, kind));
    v_claimed := ARRAY(SELECT k.cmd FROM unnest(k_cmd, k_stream, k_kind, k_key, k_take) AS k(cmd, stream, kind, key, take)
                       JOIN claim t ON t.workspace = split_part(k.stream, '/', 1) AND t.kind = k.kind AND t.key = k.key
                       WHERE k.take AND t.stream_id <> k.stream);
  END IF;

  v_refused := v_known || v_claimed || v_stale || v_moved;
  IF v_chained AND cardinality(v_refused) > 0 THEN
    v_broken := ARRAY(SELECT w_cmd[w] FROM (SELECT w, bool_or(w_cmd[w] = ANY (v_refused)) OVER (PARTITION BY v_row[w] ORDER BY w ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS behind
                                            FROM (SELECT generate_series(1, cardinality(w_cmd)) AS w) AS n WHERE v_row[w] IS NOT NULL) AS x
                      WHERE behind AND w_cmd[w] <> ALL (v_known));
    v_refused := v_refused || v_broken;
  END IF;
  IF cardinality(v_refused) > 0 THEN
    RETURN QUERY
    SELECT c.ord::int,
           CASE WHEN old.request_hash = c.hash THEN 'replayed' WHEN old.command_id IS NOT NULL THEN 'key_reused'
                WHEN c.ord = ANY (v_broken) THEN 'broken' WHEN c.ord = ANY (v_claimed) THEN 'claimed' WHEN c.ord = ANY (v_stale) THEN 'conflict' ELSE 'guard' END,
           old.first_pos, old.last_pos,
           coalesce(old.versions, (SELECT array_agg(w.cur ORDER BY w.wo)
                                   FROM unnest(w_cmd, v_cur) WITH ORDINALITY AS w(cmd, cur, wo) WHERE w.cmd = c.ord)),
           old.recorded_at
    FROM unnest(c_id, c_hash) WITH ORDINALITY AS c(id, hash, ord) LEFT JOIN command old ON old.command_id = c.id
    WHERE c.ord = ANY (v_refused) ORDER BY c.ord;
    SELECT array_agg(x.last ORDER BY w), max(x.last), array_agg(v_cur[w] + w_n[w] ORDER BY w) FILTER (WHERE x.last IS NOT NULL)
    INTO v_end, v_last, v_versions
    FROM (SELECT w, CASE WHEN appended THEN v_pos + sum(w_n[w]) FILTER (WHERE appended) OVER (ORDER BY w ROWS UNBOUNDED PRECEDING) END AS last
          FROM (SELECT w, w_cmd[w] <> ALL (v_refused) AS appended FROM generate_series(1, cardinality(w_cmd)) AS w) AS n) AS x;
  END IF;
  IF v_last IS NULL THEN RETURN; END IF;
  IF v_chained THEN                                          -- the row of a stream is written once, by the last one that is appended
    SELECT array_agg(CASE WHEN x.further IS NULL THEN v_row[w] END ORDER BY w) INTO v_row
    FROM (SELECT w, lead(v_end[w]) OVER (PARTITION BY v_row[w] ORDER BY w) AS further FROM (SELECT generate_series(1, cardinality(w_cmd)) AS w) AS n) AS x;
  END IF;

  WITH started AS (                                          -- the lock makes cur final: no ON CONFLICT, which would lock each row
    INSERT INTO stream (stream_id, workspace, version, first_pos, last_pos)
    SELECT w_stream[w], split_part(w_stream[w], '/', 1), w_n[w], v_end[w] - w_n[w] + 1, v_end[w]
    FROM (SELECT generate_series(1, cardinality(w_cmd)) AS w) AS n WHERE v_cur[w] = 0 AND v_end[w] IS NOT NULL
  ), advanced AS (                                           -- and the row stay where it was found; counted below
    UPDATE stream s SET version = v_cur[w] + w_n[w], last_pos = v_end[w]
    FROM unnest(v_row) WITH ORDINALITY AS r(ctid, w) WHERE s.ctid = r.ctid AND v_end[w] IS NOT NULL RETURNING 1
  ), k AS (
    INSERT INTO command (command_id, request_hash, first_pos, last_pos, versions, recorded_at)
    SELECT c_id[c], c_hash[c], x.first_pos, x.last_pos, x.versions, v_ts
    FROM (SELECT w_cmd[w] AS c, min(v_end[w] - w_n[w] + 1) AS first_pos, max(v_end[w]) AS last_pos, array_agg(v_cur[w] + w_n[w] ORDER BY w) AS versions
          FROM (SELECT generate_series(1, cardinality(w_cmd)) AS w) AS n WHERE v_end[w] IS NOT NULL GROUP BY 1) AS x
  ), e AS (                                                  -- OFFSET 0: once, not once per use
    INSERT INTO event
    SELECT x.pos, x.id, x.stream, x.version, x.type, x.ver, x.ws, x.actor, x.command, x.corr, x.caus, x.occ, v_ts, x.data::json, x.meta::json,
           sha256('\x00'::bytea || convert_to(concat_ws(E'\n', 'kontor/event/1', v_origin, x.pos, x.id, x.stream, x.version,
             x.type || '@' || x.ver, v_iso, x.ws, x.actor, x.command, encode(sha256(convert_to(x.data, 'UTF8')), 'hex'),
             encode(sha256(convert_to(x.meta, 'UTF8')), 'hex'), ''), 'UTF8'))
    FROM (SELECT v_end[w] - w_n[w] + 1 + e_off[i] AS pos, e_id[i] AS id, w_stream[w] AS stream, v_cur[w] + e_off[i] + 1 AS version,
                 e_type[i] AS type, e_ver[i] AS ver, split_part(w_stream[w], '/', 1) AS ws, c_actor[c] AS actor, c_id[c] AS command,
                 c_corr[c] AS corr, c_caus[c] AS caus, e_occ[i] AS occ, e_data[i] AS data, e_meta[i] AS meta
          FROM (SELECT i, e_write[i] AS w, w_cmd[e_write[i]] AS c FROM (SELECT generate_series(1, cardinality(e_id)) AS i) AS n OFFSET 0) AS n
          WHERE v_end[w] IS NOT NULL OFFSET 0) AS x
  )
  UPDATE log_head h SET last_at = v_ts, last_pos = v_last
  WHERE h.log_id = p_log AND (SELECT count(*) FROM advanced) = (SELECT count(*) FROM unnest(v_row, v_end) AS w(ctid, last) WHERE ctid IS NOT NULL AND last IS NOT NULL);
  IF NOT FOUND THEN RAISE EXCEPTION 'somebody else than es.append has changed es.stream' USING ERRCODE = 'XX001'; END IF;
  IF cardinality(k_cmd) > 0 THEN
    INSERT INTO claim                                        -- a claim that is already ours stays; a foreign one was refused above
    SELECT split_part(k.stream, '/', 1), k.kind, k.key, k.stream FROM unnest(k_cmd, k_stream, k_kind, k_key, k_take) AS k(cmd, stream, kind, key, take)
    WHERE k.take AND k.cmd <> ALL (v_refused) ON CONFLICT DO NOTHING;
    DELETE FROM claim t USING unnest(k_cmd, k_stream, k_kind, k_key, k_take) AS k(cmd, stream, kind, key, take)
    WHERE NOT k.take AND k.cmd <> ALL (v_refused)
      AND t.workspace = split_part(k.stream, '/', 1) AND t.kind = k.kind AND t.key = k.key AND t.stream_id = k.stream;
  END IF;
  PERFORM pg_notify('es_head', v_last::text);                -- a hint for readers, once a batch; the truth is log_head
  RETURN QUERY VALUES (0, 'appended', v_pos + 1, v_last, v_versions, v_ts);
END $$;
