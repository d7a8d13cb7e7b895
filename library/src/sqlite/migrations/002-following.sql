-- Who runs a subscription. The lease stands in the row of the checkpoint, so that whoever takes it over and whoever moves
-- the checkpoint change one row, one after the other. token grows whenever the lease changes hands.
ALTER TABLE checkpoint ADD COLUMN owner           TEXT;
ALTER TABLE checkpoint ADD COLUMN token           INTEGER NOT NULL DEFAULT 0;
ALTER TABLE checkpoint ADD COLUMN renewed_at_ms   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE checkpoint ADD COLUMN leased_until_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE checkpoint ADD COLUMN is_taken_over   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE checkpoint ADD COLUMN is_paused       INTEGER NOT NULL DEFAULT 0;
ALTER TABLE checkpoint ADD COLUMN trial_position  INTEGER;
ALTER TABLE checkpoint ADD COLUMN trial_attempts  INTEGER;

-- Who is there to share the work of a group.
CREATE TABLE member (
  group_name TEXT    NOT NULL,
  owner      TEXT    NOT NULL,
  until_ms   INTEGER NOT NULL,
  PRIMARY KEY (group_name, owner)
) STRICT, WITHOUT ROWID;

-- Events that a checkpoint has passed and that are not done, and those that a person skipped.
CREATE TABLE parked_event (
  subscription  TEXT    NOT NULL,
  position      INTEGER NOT NULL,
  event_id      TEXT    NOT NULL,
  stream        TEXT    NOT NULL,
  type          TEXT    NOT NULL,
  status        TEXT    NOT NULL CHECK (status IN ('retrying', 'waiting', 'parked', 'skipped')),
  attempts      INTEGER NOT NULL,
  error         TEXT,
  next_at_ms    INTEGER,
  failed_at_ms  INTEGER NOT NULL,
  changed_at_ms INTEGER NOT NULL,
  reason        TEXT,
  actor         TEXT,
  PRIMARY KEY (subscription, position)
) STRICT;
CREATE INDEX parked_event_status ON parked_event (subscription, status, position);
CREATE INDEX parked_event_stream ON parked_event (subscription, stream, position);
CREATE INDEX parked_event_due ON parked_event (subscription, next_at_ms) WHERE next_at_ms IS NOT NULL;

-- The inbox: events that a subscription has done, until its checkpoint is safely beyond them.
CREATE TABLE seen_event (
  subscription TEXT    NOT NULL,
  event_id     TEXT    NOT NULL,
  position     INTEGER NOT NULL,
  PRIMARY KEY (subscription, event_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_event_position ON seen_event (subscription, position);

-- Which copy of a read model answers, which one did before, and which one is being filled.
CREATE TABLE read_model (
  name                TEXT    NOT NULL PRIMARY KEY,
  serving_version     INTEGER NOT NULL,
  serving_generation  INTEGER NOT NULL,
  previous_version    INTEGER,
  previous_generation INTEGER,
  next_version        INTEGER,
  next_generation     INTEGER,
  changed_at_ms       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
