-- Telemetry and work of the monitoring service. Facts are in the log; losing these tables loses rows, never facts.
CREATE TABLE telemetry_cursor (stream text PRIMARY KEY, seq bigint NOT NULL);

-- Folded from the log, in the transaction of the checkpoint.
CREATE TABLE log_cursor (one_row boolean PRIMARY KEY DEFAULT true CHECK (one_row), pos bigint NOT NULL);
CREATE TABLE baseline (workspace text, id uuid, data json NOT NULL, PRIMARY KEY (workspace, id));
CREATE TABLE data_source (workspace text, id text, data json NOT NULL, PRIMARY KEY (workspace, id));
CREATE TABLE monitor (
  workspace text, id text, endpoint text NOT NULL, data json NOT NULL, newest_ms bigint, PRIMARY KEY (workspace, id)
);
CREATE TABLE task (
  pos bigint PRIMARY KEY, workspace text NOT NULL, kind text NOT NULL, request json NOT NULL, done boolean NOT NULL DEFAULT false
);

-- One row per scored row of a monitored endpoint: what the join with labels needs, and the protected attributes.
CREATE TABLE inference_row (
  prediction_id uuid, row_no int, workspace text NOT NULL, endpoint text NOT NULL, event_ms bigint NOT NULL,
  score double precision NOT NULL, attributes json NOT NULL, label smallint, label_revision int, PRIMARY KEY (prediction_id, row_no)
);
CREATE INDEX inference_row_time ON inference_row (workspace, endpoint, event_ms);

-- Labels whose prediction is not here yet.
CREATE TABLE waiting_label (
  prediction_id uuid, row_no int, value smallint NOT NULL, revision int NOT NULL, PRIMARY KEY (prediction_id, row_no)
);

CREATE TABLE window_profile (
  workspace text, monitor_id text, start_ms bigint, revision_id text, profile json NOT NULL,
  PRIMARY KEY (workspace, monitor_id, start_ms, revision_id)
);
-- stale: rows or labels came after the window was closed or last revised.
CREATE TABLE monitor_window (
  workspace text, monitor_id text, start_ms bigint, closed boolean NOT NULL DEFAULT false, stale boolean NOT NULL DEFAULT false,
  PRIMARY KEY (workspace, monitor_id, start_ms)
);
-- Messages that have no valid shape: parked with the reason, so that one of them does not stop the rest.
CREATE TABLE parked_message (stream text, seq bigint, reason text NOT NULL, PRIMARY KEY (stream, seq));
