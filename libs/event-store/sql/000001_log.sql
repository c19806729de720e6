-- The log: one head row, streams, commands, events, claims.
-- Run as kontor_owner, in a schema `es` that the migration program has made.

-- The only hot row of the system. Free space in the page keeps its updates HOT.
CREATE TABLE es.log_head (
  log_id smallint PRIMARY KEY,
  epoch bigint NOT NULL,
  origin text NOT NULL CHECK (origin ~ '^[^[:space:]+]+$'),
  last_pos bigint NOT NULL,
  last_at timestamptz NOT NULL
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Which origin stands in the leaves from which position on.
CREATE TABLE es.log_epoch (
  log_id smallint,
  epoch bigint,
  origin text NOT NULL,
  first_pos bigint NOT NULL,
  link_note text,
  PRIMARY KEY (log_id, epoch)
);

CREATE TABLE es.stream (
  stream_id text COLLATE "C" PRIMARY KEY,
  workspace text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  first_pos bigint NOT NULL,
  last_pos bigint NOT NULL,  -- with first_pos: which partitions a stream read must visit
  CHECK (stream_id ~ '^[a-z0-9][a-z0-9_-]*/[a-z]+/[a-z][a-z-]*/[^/[:space:]]+$' AND split_part(stream_id, '/', 1) = workspace)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- Accepted commands. A UUIDv7 starts with its time, so the id is the partition key and stays globally unique.
-- The default partition must stay empty: es.prepare_partitions() says which ids have a partition of their own.
CREATE TABLE es.command (
  command_id uuid PRIMARY KEY,
  request_hash bytea NOT NULL,
  first_pos bigint NOT NULL,
  last_pos bigint NOT NULL,
  versions bigint[] NOT NULL,
  recorded_at timestamptz NOT NULL
) PARTITION BY RANGE (command_id);
CREATE TABLE es.command_default PARTITION OF es.command DEFAULT;

-- json, not jsonb: exact bytes, key order and big numbers survive, and the leaf covers the bytes.
CREATE TABLE es.event (
  pos bigint PRIMARY KEY,
  event_id uuid NOT NULL,
  stream_id text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  type text NOT NULL,
  schema_ver smallint NOT NULL,
  workspace text COLLATE "C" NOT NULL,
  actor text NOT NULL,
  command_id uuid NOT NULL,
  correlation_id uuid,
  causation_id uuid,
  occurred_at timestamptz,
  recorded_at timestamptz NOT NULL,
  data json NOT NULL,
  meta json NOT NULL,
  leaf bytea NOT NULL CHECK (octet_length(leaf) = 32),
  CHECK (position(E'\n' IN type || actor) = 0)
) PARTITION BY RANGE (pos);

-- Unique names and numbers of a workspace.
CREATE TABLE es.claim (
  workspace text COLLATE "C",
  kind text COLLATE "C",
  key text COLLATE "C",
  stream_id text COLLATE "C" NOT NULL,
  PRIMARY KEY (workspace, kind, key)
);

-- Which database role may append events of which context.
CREATE TABLE es.role_context (role name, context text, PRIMARY KEY (role, context));

-- Which context owns an event type. A type that is not listed may be appended by any context that writes the stream.
CREATE TABLE es.event_type (type text PRIMARY KEY, context text NOT NULL);

CREATE FUNCTION es.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'es.event is append-only' USING ERRCODE = '42501';
END $$;
-- Row triggers reach the partitions; statement triggers do not, so each partition gets its own against TRUNCATE.
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON es.event FOR EACH ROW EXECUTE FUNCTION es.refuse();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON es.event FOR EACH STATEMENT EXECUTE FUNCTION es.refuse();

-- The lowest UUIDv7 of a moment.
CREATE FUNCTION es.first_uuid(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- Creates the partitions that appends will need soon, and says until when that is enough.
-- 16,777,216 = 256^3 positions a partition: the span of one level-2 tile of an RFC 6962 tree.
-- Tables are attached instead of created in place: ATTACH does not lock readers and writers of the parent out.
CREATE FUNCTION es.prepare_partitions() RETURNS TABLE (oldest_command_at timestamptz, enough_until_pos bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, es SET timezone = 'UTC' AS $$
DECLARE
  span CONSTANT bigint := 16777216;
  head bigint;
  part bigint;
  month timestamptz;
  name text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('es.prepare_partitions'));
  SELECT coalesce(max(h.last_pos), 0) INTO head FROM log_head h;

  FOR part IN head / span .. (head + span / 2) / span LOOP
    name := 'event_p' || part;
    CONTINUE WHEN to_regclass('es.' || name) IS NOT NULL;
    EXECUTE format('CREATE TABLE es.%I (LIKE es.event INCLUDING ALL)', name);
    EXECUTE format('CREATE UNIQUE INDEX ON es.%I (stream_id, version)', name);
    EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON es.%I FOR EACH STATEMENT EXECUTE FUNCTION es.refuse()', name);
    EXECUTE format('ALTER TABLE es.event ATTACH PARTITION es.%I FOR VALUES FROM (%s) TO (%s)', name, part * span + 1, (part + 1) * span + 1);
  END LOOP;

  -- A new log remembers commands from the month before on; ids older than that were never accepted here.
  FOR month IN SELECT generate_series(date_trunc('month', clock_timestamp()) - interval '1 month',
                                      date_trunc('month', clock_timestamp()) + interval '1 month', interval '1 month') LOOP
    name := 'command_' || to_char(month, 'YYYY_MM');
    CONTINUE WHEN to_regclass('es.' || name) IS NOT NULL;
    EXECUTE format('CREATE TABLE es.%I (LIKE es.command INCLUDING ALL)', name);
    EXECUTE format('ALTER TABLE es.command ATTACH PARTITION es.%I FOR VALUES FROM (%L) TO (%L)', name,
                   es.first_uuid(month), es.first_uuid(month + interval '1 month'));
  END LOOP;

  RETURN QUERY SELECT
    (SELECT min(to_timestamp(substr(c.relname, 9), 'YYYY_MM')) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'es.command'::regclass AND c.relname <> 'command_default'),
    ((head + span / 2) / span) * span + span / 2;
END $$;
