-- The log: rows are inserted, never changed. Positions and versions are checked by the append plan under the write
-- lock; the constraints here hold whatever the code does.
CREATE TABLE event (
  position       INTEGER PRIMARY KEY CHECK (position > 0),
  stream         TEXT    NOT NULL,
  version        INTEGER NOT NULL CHECK (version > 0),
  type           TEXT    NOT NULL,
  schema_version INTEGER NOT NULL CHECK (schema_version > 0),
  id             TEXT    NOT NULL UNIQUE,
  data           TEXT    NOT NULL,
  metadata       TEXT    NOT NULL,
  tags           TEXT    NOT NULL,
  recorded_at_ms INTEGER NOT NULL,
  leaf_hash      BLOB    NOT NULL CHECK (length(leaf_hash) = 32),
  chain_hash     BLOB    NOT NULL CHECK (length(chain_hash) = 32),
  UNIQUE (stream, version)
) STRICT;

CREATE TABLE event_tag (
  tag      TEXT    NOT NULL,
  position INTEGER NOT NULL,
  PRIMARY KEY (tag, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_key (
  key            TEXT    NOT NULL PRIMARY KEY,
  fingerprint    TEXT    NOT NULL,
  first_position INTEGER NOT NULL,
  event_count    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER event_no_update BEFORE UPDATE ON event
BEGIN SELECT raise(ABORT, 'daybook: recorded events are never changed'); END;
CREATE TRIGGER event_no_delete BEFORE DELETE ON event
BEGIN SELECT raise(ABORT, 'daybook: recorded events are never deleted'); END;
CREATE TRIGGER event_only_after_head BEFORE INSERT ON event
WHEN NEW.position <> (SELECT coalesce(max(position), 0) + 1 FROM event)
BEGIN SELECT raise(ABORT, 'daybook: positions have no gaps'); END;
CREATE TRIGGER event_tag_no_update BEFORE UPDATE ON event_tag
BEGIN SELECT raise(ABORT, 'daybook: recorded tags are never changed'); END;
CREATE TRIGGER event_tag_no_delete BEFORE DELETE ON event_tag
BEGIN SELECT raise(ABORT, 'daybook: recorded tags are never deleted'); END;
CREATE TRIGGER idempotency_key_no_update BEFORE UPDATE ON idempotency_key
BEGIN SELECT raise(ABORT, 'daybook: idempotency keys are never changed'); END;
CREATE TRIGGER idempotency_key_no_delete BEFORE DELETE ON idempotency_key
BEGIN SELECT raise(ABORT, 'daybook: idempotency keys are never deleted'); END;

-- One row: which book this is. largest_event_bytes bounds the memory of a page of events.
CREATE TABLE book (
  one                 INTEGER PRIMARY KEY CHECK (one = 1),
  book_id             TEXT    NOT NULL,
  epoch               INTEGER NOT NULL,
  created_at_ms       INTEGER NOT NULL,
  largest_event_bytes INTEGER NOT NULL
) STRICT;

-- From here on everything can be thrown away and comes back the same.
CREATE TABLE checkpoint (
  subscription  TEXT    NOT NULL PRIMARY KEY,
  position      INTEGER NOT NULL,
  epoch         INTEGER NOT NULL,
  fingerprint   TEXT    NOT NULL,
  updated_at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE snapshot (
  stream      TEXT    NOT NULL,
  fold        TEXT    NOT NULL,
  fingerprint TEXT    NOT NULL,
  version     INTEGER NOT NULL,
  position    INTEGER NOT NULL,
  event_id    TEXT    NOT NULL,
  state       TEXT    NOT NULL,
  checksum    TEXT    NOT NULL,
  PRIMARY KEY (stream, fold)
) STRICT;
