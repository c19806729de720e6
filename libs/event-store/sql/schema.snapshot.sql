DOMAIN es.stream_name AS text CHECK ((VALUE ~ '^[a-z0-9][a-z0-9_-]*/[a-z]+/[a-z][a-z-]*/[^/[:space:]]+$'::text))
FUNCTION es.append(smallint,uuid[],bytea[],text[],uuid[],uuid[],integer[],text[],bigint[],integer[],integer[],text[],bigint[],integer[],text[],text[],text[],boolean[],integer[],integer[],uuid[],text[],smallint[],timestamp with time zone[],text[],text[]) RETURNS TABLE(ord integer, outcome text, first_pos bigint, last_pos bigint, versions bigint[], recorded_at timestamp with time zone) SECURITY DEFINER SET search_path=pg_catalog, es GRANT EXECUTE TO kontor_writer
FUNCTION es.cosign(bigint,text) RETURNS void SECURITY DEFINER SET search_path=pg_catalog, es GRANT EXECUTE TO kontor_writer
FUNCTION es.first_uuid(timestamp with time zone) RETURNS uuid
FUNCTION es.prepare_partitions() RETURNS TABLE(oldest_command_at timestamp with time zone, enough_until_pos bigint) SECURITY DEFINER SET search_path=pg_catalog, es SET TimeZone=UTC GRANT EXECUTE TO kontor_writer
FUNCTION es.refuse() RETURNS trigger
FUNCTION es.save_seal(bigint,bigint,bytea,text,smallint[],bigint[],smallint[],bytea[]) RETURNS boolean SECURITY DEFINER SET search_path=pg_catalog, es GRANT EXECUTE TO kontor_writer
FUNCTION es.still_holds(text) RETURNS SETOF text SECURITY DEFINER SET search_path=pg_catalog, es GRANT EXECUTE TO kontor_governance
TABLE es.archive
  first_pos bigint NOT NULL
  last_pos bigint NOT NULL
  partition text NOT NULL
  first_at timestamp with time zone NOT NULL
  last_at timestamp with time zone NOT NULL
  root bytea NOT NULL
  manifest_digest text NOT NULL
  places text[] NOT NULL
  detached_at timestamp with time zone
  dropped_at timestamp with time zone
  CHECK (((dropped_at IS NULL) OR (detached_at IS NOT NULL)))
  CHECK ((cardinality(places) > 0))
  CHECK ((last_pos >= first_pos))
  CHECK ((manifest_digest ~ '^sha256:[0-9a-f]{64}$'::text))
  CHECK ((octet_length(root) = 32))
  PRIMARY KEY (first_pos)
  UNIQUE (last_pos)
  CREATE UNIQUE INDEX archive_last_pos_key ON es.archive USING btree (last_pos)
  GRANT SELECT TO kontor_reader
TABLE es.claim
  workspace text COLLATE "C" NOT NULL
  kind text COLLATE "C" NOT NULL
  key text COLLATE "C" NOT NULL
  stream_id text COLLATE "C" NOT NULL
  PRIMARY KEY (workspace, kind, key)
  GRANT SELECT TO kontor_reader
TABLE es.command PARTITION BY RANGE (command_id)
  command_id uuid NOT NULL
  request_hash bytea NOT NULL
  first_pos bigint NOT NULL
  last_pos bigint NOT NULL
  versions bigint[] NOT NULL
  recorded_at timestamp with time zone NOT NULL
  PRIMARY KEY (command_id)
  GRANT SELECT TO kontor_reader
TABLE es.event PARTITION BY RANGE (pos)
  pos bigint NOT NULL
  event_id uuid NOT NULL
  stream_id text COLLATE "C" NOT NULL
  version bigint NOT NULL
  type text NOT NULL
  schema_ver smallint NOT NULL
  workspace text COLLATE "C" NOT NULL
  actor text NOT NULL
  command_id uuid NOT NULL
  correlation_id uuid
  causation_id uuid
  occurred_at timestamp with time zone
  recorded_at timestamp with time zone NOT NULL
  data json NOT NULL
  meta json NOT NULL
  leaf bytea NOT NULL
  CHECK ((POSITION(('
'::text) IN ((type || actor))) = 0))
  CHECK ((octet_length(leaf) = 32))
  PRIMARY KEY (pos)
  CREATE TRIGGER append_only BEFORE DELETE OR UPDATE ON es.event FOR EACH ROW EXECUTE FUNCTION es.refuse()
  CREATE TRIGGER no_truncate BEFORE TRUNCATE ON es.event FOR EACH STATEMENT EXECUTE FUNCTION es.refuse()
  GRANT SELECT TO kontor_reader
TABLE es.event_type
  type text NOT NULL
  context text NOT NULL
  PRIMARY KEY (type)
  GRANT SELECT TO kontor_reader
VIEW es.headroom AS  WITH part AS ( SELECT i.inhparent AS parent, c.relname AS name FROM (pg_inherits i JOIN pg_class c ON ((c.oid = i.inhrelid))) WHERE (i.inhparent = ANY (ARRAY[('es.event'::regclass)::oid, ('es.command'::regclass)::oid])) ) SELECT ((( SELECT min(n.n) AS min FROM generate_series((h.last_pos / 16777216), ((h.last_pos / 16777216) + 3)) n(n) WHERE ((n.n = ((h.last_pos / 16777216) + 3)) OR (NOT (EXISTS ( SELECT FROM part WHERE ((part.parent = ('es.event'::regclass)::oid) AND (part.name = ('event_p'::text || n.n)))))))) * 16777216) - last_pos) AS positions_left, ( SELECT min(unnamed_subquery.m) AS min FROM generate_series(0, 3) ahead(ahead), LATERAL ( SELECT (date_trunc('month'::text, clock_timestamp(), 'UTC'::text) + ((ahead.ahead)::double precision * '1 mon'::interval)) AS m) unnamed_subquery WHERE ((ahead.ahead = 3) OR (NOT (EXISTS ( SELECT FROM part WHERE ((part.parent = ('es.command'::regclass)::oid) AND (part.name = ('command_'::text || to_char((unnamed_subquery.m AT TIME ZONE 'UTC'::text), 'YYYY_MM'::text))))))))) AS commands_until, (EXISTS ( SELECT FROM es.command_default)) AS commands_astray FROM es.log_head h WHERE (log_id = 0);
  positions_left bigint
  commands_until timestamp with time zone
  commands_astray boolean
  GRANT SELECT TO kontor_reader
VIEW es.legal_hold AS  SELECT workspace, key AS hold_id, stream_id FROM es.claim WHERE (kind = 'governance/legal-hold'::text);
  workspace text COLLATE "C"
  hold_id text COLLATE "C"
  stream_id text COLLATE "C"
  GRANT SELECT TO kontor_reader
TABLE es.log_epoch
  log_id smallint NOT NULL
  epoch bigint NOT NULL
  origin text NOT NULL
  first_pos bigint NOT NULL
  link_note text
  PRIMARY KEY (log_id, epoch)
  GRANT SELECT TO kontor_reader
TABLE es.log_head WITH (fillfactor=10, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000)
  log_id smallint NOT NULL
  epoch bigint NOT NULL
  origin text NOT NULL
  last_pos bigint NOT NULL
  last_at timestamp with time zone NOT NULL
  CHECK ((origin ~ '^[^[:space:]+]+$'::text))
  PRIMARY KEY (log_id)
  GRANT SELECT TO kontor_reader
TABLE es.migration
  version integer NOT NULL
  name text NOT NULL
  checksum text NOT NULL
  applied_at timestamp with time zone NOT NULL DEFAULT now()
  PRIMARY KEY (version)
  GRANT SELECT TO kontor_reader
TABLE es.relay
  name text NOT NULL
  acked_pos bigint NOT NULL
  acked_event uuid NOT NULL
  updated_at timestamp with time zone NOT NULL
  PRIMARY KEY (name)
  GRANT INSERT, UPDATE TO kontor_writer
  GRANT SELECT TO kontor_reader
TABLE es.role_context
  role name COLLATE "C" NOT NULL
  context text NOT NULL
  PRIMARY KEY (role, context)
  GRANT SELECT TO kontor_reader
TABLE es.seal
  size bigint NOT NULL
  root bytea NOT NULL
  note text NOT NULL
  sealed_at timestamp with time zone NOT NULL
  CHECK ((octet_length(root) = 32))
  CHECK ((size > 0))
  PRIMARY KEY (size)
  GRANT SELECT TO kontor_reader
TABLE es.stream WITH (fillfactor=80, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=1000)
  stream_id es.stream_name COLLATE "C" NOT NULL
  workspace text COLLATE "C" NOT NULL
  version bigint NOT NULL
  first_pos bigint NOT NULL
  last_pos bigint NOT NULL
  CHECK ((split_part((stream_id)::text, '/'::text, 1) = workspace))
  PRIMARY KEY (stream_id)
  GRANT SELECT TO kontor_reader
TABLE es.tile
  level smallint NOT NULL
  index bigint NOT NULL
  width smallint NOT NULL
  content bytea NOT NULL
  CHECK (((width >= 1) AND (width <= 256)))
  CHECK ((octet_length(content) = (32 * width)))
  PRIMARY KEY (level, index, width)
  GRANT SELECT TO kontor_reader
