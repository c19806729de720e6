-- Requests that serving refused because of one input: what a changed schema upstream looks like.
CREATE TABLE refused_request (
  prediction_id uuid PRIMARY KEY, workspace text NOT NULL, endpoint text NOT NULL, event_ms bigint NOT NULL,
  input text NOT NULL, code text NOT NULL
);
CREATE INDEX refused_request_time ON refused_request (workspace, endpoint, event_ms);

-- How often a window was revised and when last: the more often, the longer the next revision waits.
ALTER TABLE monitor_window ADD COLUMN revisions int NOT NULL DEFAULT 0, ADD COLUMN revised_at timestamptz;
