-- One call appends a batch of commands. Two statements on purpose: lock the head row; then decide and write.
-- A single statement that waited for the row lock would still see the old snapshot of es.stream and could accept a
-- stale expected version. In plpgsql each statement of a VOLATILE function takes a new snapshot (READ COMMITTED).
--
-- The caller guarantees: in one batch at most one command per stream, command id and claim
-- key; no stream that one command guards and another writes.
CREATE FUNCTION es.append(p_log smallint,
  c_id uuid[], c_hash bytea[], c_actor text[], c_corr uuid[], c_caus uuid[],           -- per command
  w_cmd int[], w_stream text[], w_expected bigint[], w_n int[],                         -- per write, in command order
  g_cmd int[], g_stream text[], g_expected bigint[],                                    -- guards
  k_cmd int[], k_stream text[], k_kind text[], k_key text[], k_take boolean[],          -- claims
  e_write int[], e_off int[], e_id uuid[], e_type text[], e_ver smallint[], e_occ timestamptz[], e_data text[], e_meta text[])
RETURNS TABLE (ord int, outcome text, first_pos bigint, last_pos bigint, versions bigint[], recorded_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, es AS $$
#variable_conflict use_column
DECLARE v_pos bigint; v_at timestamptz; v_origin text; v_ts timestamptz; v_iso text;
BEGIN
  -- One service cannot forge another's events or names. session_user, because current_user is the owner in here.
  IF EXISTS (SELECT FROM (SELECT unnest(w_stream) UNION ALL SELECT unnest(k_stream)) AS s(stream)
             WHERE NOT EXISTS (SELECT FROM role_context r
                               WHERE r.role = session_user AND r.context = split_part(s.stream, '/', 2))) THEN
    RAISE EXCEPTION 'context not allowed for role %', session_user USING ERRCODE = '42501';
  END IF;
  -- Nor events of a type that another context owns: readers of GateEvaluated look at its type.
  IF EXISTS (SELECT FROM unnest(e_type, e_write) AS e(type, wo) JOIN event_type t ON t.type = e.type
             WHERE t.context <> split_part(w_stream[e.wo], '/', 2)) THEN
    RAISE EXCEPTION 'event type not allowed for role %', session_user USING ERRCODE = '42501';
  END IF;
  -- Positions follow from n, so n must say how many events there are, and each must have a place of its own. A place
  -- taken twice fails at the primary key.
  IF EXISTS (SELECT FROM unnest(w_n) AS n WHERE n < 1)
     OR cardinality(e_id) <> (SELECT coalesce(sum(n), 0) FROM unnest(w_n) AS n)
     OR EXISTS (SELECT FROM unnest(e_write, e_off) AS e(wo, off) WHERE w_n[e.wo] IS NULL OR e.off < 0 OR e.off >= w_n[e.wo]) THEN
    RAISE EXCEPTION 'a write must have at least one event, at the places 0 to n - 1' USING ERRCODE = '22023';
  END IF;
  SELECT h.last_pos, h.last_at, h.origin INTO STRICT v_pos, v_at, v_origin
    FROM log_head h WHERE h.log_id = p_log FOR UPDATE;                                    -- statement 1: the lock
  v_ts  := greatest(clock_timestamp(), v_at);
  v_iso := to_char(v_ts AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
  RETURN QUERY                                                                            -- statement 2: the batch
  WITH c AS MATERIALIZED (
    SELECT u.*, (SELECT k FROM command k WHERE k.command_id = u.id) AS old
    FROM unnest(c_id, c_hash, c_actor, c_corr, c_caus) WITH ORDINALITY AS u(id, hash, actor, corr, caus, ord)
  ), w AS MATERIALIZED (
    SELECT u.*, split_part(u.stream, '/', 1) AS ws, coalesce((SELECT s.version FROM stream s WHERE s.stream_id = u.stream), 0) AS cur
    FROM unnest(w_cmd, w_stream, w_expected, w_n) WITH ORDINALITY AS u(cmd, stream, expected, n, wo)
  ), q AS MATERIALIZED (
    -- A kind of name belongs to its context: another one cannot take the name of a registered model.
    SELECT u.cmd, u.stream, split_part(u.stream, '/', 2) || '/' || u.kind AS kind, u.key, u.take, split_part(u.stream, '/', 1) AS ws
    FROM unnest(k_cmd, k_stream, k_kind, k_key, k_take) AS u(cmd, stream, kind, key, take)
  ), refused AS MATERIALIZED (
    SELECT w.cmd, 'conflict' AS why FROM w WHERE w.expected <> -1 AND w.expected <> w.cur
    UNION ALL SELECT g.cmd, 'guard' FROM unnest(g_cmd, g_stream, g_expected) AS g(cmd, stream, expected)
      WHERE g.expected <> coalesce((SELECT s.version FROM stream s WHERE s.stream_id = g.stream), 0)
    UNION ALL SELECT q.cmd, 'claimed' FROM q WHERE q.take AND q.stream <>
      (SELECT t.stream_id FROM claim t WHERE t.workspace = q.ws AND t.kind = q.kind AND t.key = q.key)
  ), d AS MATERIALIZED (
    SELECT c.*, CASE
        WHEN (c.old).command_id IS NULL THEN coalesce((SELECT min(r.why) FROM refused r WHERE r.cmd = c.ord), 'appended')
        WHEN (c.old).request_hash = c.hash THEN 'replayed' ELSE 'key_reused' END AS outcome FROM c
  ), a AS MATERIALIZED (                                                                  -- positions: a running sum
    SELECT d.id, d.hash, d.actor, d.corr, d.caus, w.wo, w.stream, w.ws, w.cur, w.n,
           v_pos + sum(w.n) OVER (ORDER BY w.wo) - w.n + 1 AS fp, v_pos + sum(w.n) OVER (ORDER BY w.wo) AS lp
    FROM d JOIN w ON w.cmd = d.ord WHERE d.outcome = 'appended'
  ), s AS (
    INSERT INTO stream (stream_id, workspace, version, first_pos, last_pos) SELECT a.stream, a.ws, a.cur + a.n, a.fp, a.lp FROM a
    ON CONFLICT (stream_id) DO UPDATE SET version = EXCLUDED.version, last_pos = EXCLUDED.last_pos
  ), k AS (
    INSERT INTO command (command_id, request_hash, first_pos, last_pos, versions, recorded_at)
    SELECT a.id, a.hash, min(a.fp), max(a.lp), array_agg(a.cur + a.n ORDER BY a.wo), v_ts FROM a GROUP BY a.id, a.hash
    RETURNING command_id, first_pos, last_pos, versions
  ), e AS (
    INSERT INTO event
    SELECT a.fp + x.off, x.id, a.stream, a.cur + x.off + 1, x.type, x.ver, a.ws, a.actor, a.id, a.corr, a.caus, x.occ, v_ts, x.data::json, x.meta::json,
           sha256('\x00'::bytea || convert_to(concat_ws(E'\n', 'kontor/event/1', v_origin, a.fp + x.off, x.id, a.stream, a.cur + x.off + 1,
             x.type || '@' || x.ver, v_iso, a.ws, a.actor, a.id, encode(sha256(convert_to(x.data, 'UTF8')), 'hex'),
             encode(sha256(convert_to(x.meta, 'UTF8')), 'hex'), ''), 'UTF8'))
    FROM a JOIN unnest(e_write, e_off, e_id, e_type, e_ver, e_occ, e_data, e_meta) AS x(wo, off, id, type, ver, occ, data, meta) ON x.wo = a.wo
  ), taken AS (                                              -- a claim that is already ours stays; a foreign one was refused above
    INSERT INTO claim SELECT q.ws, q.kind, q.key, q.stream FROM q JOIN d ON d.ord = q.cmd AND d.outcome = 'appended'
    WHERE q.take ON CONFLICT DO NOTHING
  ), freed AS (
    DELETE FROM claim t USING q JOIN d ON d.ord = q.cmd AND d.outcome = 'appended'
    WHERE NOT q.take AND t.workspace = q.ws AND t.kind = q.kind AND t.key = q.key AND t.stream_id = q.stream
  ), h AS (
    UPDATE log_head h SET last_at = v_ts, last_pos = (SELECT max(a.lp) FROM a) WHERE h.log_id = p_log AND EXISTS (SELECT FROM a)
  )
  SELECT d.ord::int, d.outcome, coalesce(k.first_pos, x.first_pos), coalesce(k.last_pos, x.last_pos),
         coalesce(k.versions, x.versions, (SELECT array_agg(w.cur ORDER BY w.wo) FROM w WHERE w.cmd = d.ord)),
         CASE WHEN k.command_id IS NOT NULL THEN v_ts ELSE x.recorded_at END
  FROM d LEFT JOIN k ON k.command_id = d.id LEFT JOIN LATERAL (
    SELECT (d.old).first_pos, (d.old).last_pos, (d.old).versions, (d.old).recorded_at WHERE d.outcome = 'replayed') x ON true
  ORDER BY d.ord;
  -- A hint for readers, once a batch; the truth is log_head.
  PERFORM pg_notify('es_head', h.last_pos::text) FROM log_head h WHERE h.log_id = p_log AND h.last_pos > v_pos;
END $$;
