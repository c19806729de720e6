-- The tree over the leaves, as C2SP tlog-tiles, and the checkpoints that were signed.

CREATE TABLE es.tile (
  level smallint,
  index bigint,
  width smallint CHECK (width BETWEEN 1 AND 256),
  content bytea NOT NULL CHECK (octet_length(content) = 32 * width),
  PRIMARY KEY (level, index, width)
);

CREATE TABLE es.seal (
  size bigint PRIMARY KEY CHECK (size > 0),
  root bytea NOT NULL CHECK (octet_length(root) = 32),
  note text NOT NULL,        -- the signed checkpoint
  sealed_at timestamptz NOT NULL
);

-- Saves the next checkpoint with the tiles that its tree has beyond the one before. False if another sealer was faster.
CREATE FUNCTION es.save_seal(p_old bigint, p_size bigint, p_root bytea, p_note text,
  t_level smallint[], t_index bigint[], t_width smallint[], t_content bytea[])
RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, es AS $$
BEGIN
  LOCK TABLE seal IN SHARE ROW EXCLUSIVE MODE;
  IF p_old <> (SELECT coalesce(max(s.size), 0) FROM seal s) THEN RETURN false; END IF;
  IF p_size <= p_old OR p_size > (SELECT max(h.last_pos) FROM log_head h) THEN
    RAISE EXCEPTION 'a seal of % events must be larger than the last, %, and no larger than the log', p_size, p_old USING ERRCODE = '22023';
  END IF;
  -- A partial tile of an upper level stays the same over many seals. Another content at its place would be another log.
  IF EXISTS (SELECT FROM unnest(t_level, t_index, t_width, t_content) AS n(level, index, width, content)
             JOIN tile t USING (level, index, width) WHERE t.content <> n.content) THEN
    RAISE EXCEPTION 'a tile of this tree differs from the one that was sealed' USING ERRCODE = '23000';
  END IF;
  INSERT INTO tile SELECT * FROM unnest(t_level, t_index, t_width, t_content) ON CONFLICT DO NOTHING;
  -- A full tile begins with the hashes of all its partial ones, so it answers for them.
  DELETE FROM tile t USING unnest(t_level, t_index, t_width) AS n(level, index, width)
    WHERE n.width = 256 AND t.width < 256 AND t.level = n.level AND t.index = n.index;
  INSERT INTO seal VALUES (p_size, p_root, p_note, clock_timestamp());
  RETURN true;
END $$;

REVOKE ALL ON FUNCTION es.save_seal FROM PUBLIC;
GRANT EXECUTE ON FUNCTION es.save_seal TO kontor_writer;
GRANT SELECT ON es.tile, es.seal TO kontor_reader;
