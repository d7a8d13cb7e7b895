-- The log: rows are inserted, never changed. Positions and versions are checked by the append plan under the log's
-- advisory lock; the constraints and triggers here hold whatever the code does.
--
-- The runner sets search_path to the book's schema and nothing else, and runs this file in one transaction.

CREATE TABLE event (
  position       bigint  NOT NULL PRIMARY KEY CHECK (position > 0),
  stream         text    NOT NULL COLLATE "C",
  version        bigint  NOT NULL CHECK (version > 0),
  type           text    NOT NULL COLLATE "C",
  schema_version bigint  NOT NULL CHECK (schema_version > 0),
  id             uuid    NOT NULL,
  data           json    NOT NULL,
  metadata       json    NOT NULL,
  tags           json    NOT NULL,
  recorded_at_ms bigint  NOT NULL,
  leaf_hash      bytea   NOT NULL CHECK (length(leaf_hash) = 32),
  chain_hash     bytea   NOT NULL CHECK (length(chain_hash) = 32)
);

-- Narrow and never partitioned, so that (stream, version) and id stay unique when the log is partitioned by position:
-- a unique constraint of a partitioned table must contain its partition key.
CREATE TABLE event_index (
  stream   text   NOT NULL COLLATE "C",
  version  bigint NOT NULL,
  id       uuid   NOT NULL UNIQUE,
  position bigint NOT NULL,
  PRIMARY KEY (stream, version) INCLUDE (position)
);

CREATE TABLE event_tag (
  tag      text   NOT NULL COLLATE "C",
  position bigint NOT NULL,
  PRIMARY KEY (tag, position)
);

CREATE TABLE idempotency_key (
  key            text   NOT NULL COLLATE "C" PRIMARY KEY,
  fingerprint    text   NOT NULL,
  first_position bigint NOT NULL,
  event_count    bigint NOT NULL
);

-- One row: which book this is. home says where it lives; another home means that it was restored or moved.
-- largest_event_bytes bounds the memory of a page of events. partition_events is null until the log is partitioned.
CREATE TABLE book (
  one                 boolean NOT NULL PRIMARY KEY DEFAULT true CHECK (one),
  book_id             uuid    NOT NULL,
  epoch               bigint  NOT NULL,
  home                text    NOT NULL,
  created_at_ms       bigint  NOT NULL,
  largest_event_bytes bigint  NOT NULL DEFAULT 0,
  partition_events    bigint  CHECK (partition_events > 0)
);

-- The indexes of the log are written by the database itself, in the statement that inserts the events: no writer can
-- forget them, and none needs the right to write them. It runs with the rights of the schema's owner.
CREATE FUNCTION event_recorded() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  lowest  bigint;
  highest bigint;
  events  bigint;
  tagged  bigint;
  largest bigint;
  known   bigint;
BEGIN
  SELECT min(position), max(position), count(*), count(*) FILTER (WHERE tags::text <> '[]'),
      max(octet_length(data::text) + octet_length(metadata::text)), (SELECT largest_event_bytes FROM book)
    INTO lowest, highest, events, tagged, largest, known FROM recorded;
  IF events = 0 THEN
    RETURN NULL;
  END IF;
  IF highest - lowest + 1 <> events
    OR lowest > 1 AND NOT EXISTS (SELECT FROM event WHERE position = lowest - 1)
  THEN
    RAISE EXCEPTION 'daybook: positions have no gaps' USING ERRCODE = 'check_violation';
  END IF;
  INSERT INTO event_index (stream, version, id, position) SELECT stream, version, id, position FROM recorded;
  IF tagged > 0 THEN
    INSERT INTO event_tag (tag, position)
      SELECT tag, position FROM recorded, json_array_elements_text(recorded.tags) AS tag;
  END IF;
  IF largest > known THEN
    UPDATE book SET largest_event_bytes = largest WHERE largest_event_bytes < largest;
  END IF;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION event_recorded() FROM PUBLIC;

CREATE TRIGGER event_recorded AFTER INSERT ON event
REFERENCING NEW TABLE AS recorded FOR EACH STATEMENT EXECUTE FUNCTION event_recorded();

CREATE FUNCTION refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  RAISE EXCEPTION 'daybook: what is recorded in % is never changed', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER event_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON event
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER event_index_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON event_index
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER event_tag_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON event_tag
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER idempotency_key_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON idempotency_key
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER book_no_delete BEFORE DELETE OR TRUNCATE ON book
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- From here on everything can be thrown away and comes back the same.
CREATE TABLE checkpoint (
  subscription  text   NOT NULL COLLATE "C" PRIMARY KEY,
  position      bigint NOT NULL,
  epoch         bigint NOT NULL,
  fingerprint   text   NOT NULL,
  updated_at_ms bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE snapshot (
  stream      text   NOT NULL COLLATE "C",
  fold        text   NOT NULL COLLATE "C",
  fingerprint text   NOT NULL,
  version     bigint NOT NULL,
  position    bigint NOT NULL,
  event_id    text   NOT NULL,
  state       text   NOT NULL,
  checksum    text   NOT NULL,
  PRIMARY KEY (stream, fold)
);
