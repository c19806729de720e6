-- Partitions of es.event that were written to files, oldest first and without a gap between them. A row is made before its
-- partition is detached: whoever does not find a position in es.event finds it here.
CREATE TABLE es.archive (
  first_pos bigint PRIMARY KEY,
  last_pos bigint NOT NULL UNIQUE CHECK (last_pos >= first_pos),
  partition text NOT NULL,                                                  -- the table in schema es, until it is dropped
  first_at timestamptz NOT NULL,
  last_at timestamptz NOT NULL,
  root bytea NOT NULL CHECK (octet_length(root) = 32),                      -- of the leaves: a node of the log's tree
  manifest_digest text NOT NULL CHECK (manifest_digest ~ '^sha256:[0-9a-f]{64}$'),
  places text[] NOT NULL CHECK (cardinality(places) > 0),                   -- directories that hold it, verified
  detached_at timestamptz,
  dropped_at timestamptz CHECK (dropped_at IS NULL OR detached_at IS NOT NULL)
);

-- The legal holds that are placed. An append takes and frees their claims under the lock of the head row, so whoever holds
-- that lock sees all of them.
CREATE VIEW es.legal_hold AS
  SELECT workspace, key AS hold_id, stream_id FROM es.claim WHERE kind = 'governance/legal-hold';

GRANT SELECT ON es.archive, es.legal_hold TO kontor_reader;
