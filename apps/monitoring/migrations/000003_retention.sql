-- From which event time on the rows of an endpoint are kept. It only moves forward: what is below was deleted for good.
CREATE TABLE retention (workspace text, endpoint text, from_ms bigint NOT NULL, PRIMARY KEY (workspace, endpoint));
-- What is counted instead of kept: rows that came below it, labels whose row never came or is deleted.
CREATE TABLE dropped (what text PRIMARY KEY, n bigint NOT NULL);

-- When the broker stored the label, milliseconds since 1970. Labels from before wait from now on.
ALTER TABLE waiting_label ADD COLUMN stored_ms bigint NOT NULL DEFAULT floor(extract(epoch FROM now()) * 1000);
CREATE INDEX waiting_label_stored ON waiting_label (stored_ms);
ALTER TABLE parked_message ADD COLUMN parked_at timestamptz NOT NULL DEFAULT now();

-- A task is deleted when it is answered; the answer is in the log.
DELETE FROM task WHERE done;
