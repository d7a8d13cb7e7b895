-- Who runs a subscription. The lease stands in the row of the checkpoint, so that whoever takes it over and whoever moves
-- the checkpoint change one row, one after the other. token grows whenever the lease changes hands. No index has any of
-- these columns: a renewal touches no index.
ALTER TABLE checkpoint
  ADD COLUMN owner           text    COLLATE "C",
  ADD COLUMN token           bigint  NOT NULL DEFAULT 0,
  ADD COLUMN renewed_at_ms   bigint  NOT NULL DEFAULT 0,
  ADD COLUMN leased_until_ms bigint  NOT NULL DEFAULT 0,
  ADD COLUMN is_taken_over   boolean NOT NULL DEFAULT false,
  ADD COLUMN is_paused       boolean NOT NULL DEFAULT false,
  ADD COLUMN trial_position  bigint,
  ADD COLUMN trial_attempts  bigint;

-- Who is there to share the work of a group.
CREATE TABLE member (
  group_name text   NOT NULL COLLATE "C",
  owner      text   NOT NULL COLLATE "C",
  until_ms   bigint NOT NULL,
  PRIMARY KEY (group_name, owner)
) WITH (fillfactor = 50);

-- Events that a checkpoint has passed and that are not done, and those that a person skipped.
CREATE TABLE parked_event (
  subscription  text   NOT NULL COLLATE "C",
  position      bigint NOT NULL,
  event_id      text   NOT NULL COLLATE "C",
  stream        text   NOT NULL COLLATE "C",
  type          text   NOT NULL COLLATE "C",
  status        text   NOT NULL COLLATE "C" CHECK (status IN ('retrying', 'waiting', 'parked', 'skipped')),
  attempts      bigint NOT NULL,
  error         text,
  next_at_ms    bigint,
  failed_at_ms  bigint NOT NULL,
  changed_at_ms bigint NOT NULL,
  reason        text,
  actor         text,
  PRIMARY KEY (subscription, position)
);
CREATE INDEX parked_event_status ON parked_event (subscription, status, position);
CREATE INDEX parked_event_stream ON parked_event (subscription, stream, position);
CREATE INDEX parked_event_due ON parked_event (subscription, next_at_ms) WHERE next_at_ms IS NOT NULL;

-- The inbox: events that a subscription has done, until its checkpoint is safely beyond them.
CREATE TABLE seen_event (
  subscription text   NOT NULL COLLATE "C",
  event_id     text   NOT NULL COLLATE "C",
  position     bigint NOT NULL,
  PRIMARY KEY (subscription, event_id)
);
CREATE INDEX seen_event_position ON seen_event (subscription, position);

-- Which copy of a read model answers, which one did before, and which one is being filled.
CREATE TABLE read_model (
  name                text   NOT NULL COLLATE "C" PRIMARY KEY,
  serving_version     bigint NOT NULL,
  serving_generation  bigint NOT NULL,
  previous_version    bigint,
  previous_generation bigint,
  next_version        bigint,
  next_generation     bigint,
  changed_at_ms       bigint NOT NULL
);
