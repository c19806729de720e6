-- What the relay reports. Never its cursor: that is JetStream's own last sequence.
CREATE TABLE es.relay (
  name text PRIMARY KEY,
  acked_pos bigint NOT NULL,
  acked_event uuid NOT NULL,
  updated_at timestamptz NOT NULL
);

-- Who may do what. Roles are made before the migrations run; kontor_reader and kontor_writer are groups without login.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA es FROM PUBLIC;
GRANT USAGE ON SCHEMA es TO kontor_reader;
GRANT SELECT ON es.log_head, es.log_epoch, es.stream, es.command, es.event, es.claim, es.role_context, es.event_type, es.relay, es.migration TO kontor_reader;
GRANT EXECUTE ON FUNCTION es.append, es.prepare_partitions TO kontor_writer;
GRANT INSERT, UPDATE ON es.relay TO kontor_writer;
