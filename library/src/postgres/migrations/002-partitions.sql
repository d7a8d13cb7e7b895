-- Partitions of the log by position, for a log that is partitioned (book.partition_events is not null). The switch is
-- in partition-statements.ts; here is what makes the next partitions while the log grows.

-- The position from which on extend_partitions has something to do; null when it never has. With partitions it is in the
-- last but one, after 2,000 events or in its middle: plans made for an empty partition may read all of it, and the new
-- one makes every session plan anew when this one is large enough for its index. Bounds are read where the database
-- itself keeps them.
CREATE FUNCTION partitions_due() RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $$
DECLARE
  events  bigint := (SELECT partition_events FROM book);
  highest bigint;
BEGIN
  IF events IS NULL THEN
    -- The bound of a switch that is not over; near it the bound has to go.
    RETURN (SELECT substring(pg_get_constraintdef(oid) FROM '[0-9]+')::bigint - 1000 FROM pg_constraint
      WHERE conrelid = 'event'::regclass AND conname = 'event_bound');
  END IF;
  SELECT max(substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO [(]''([0-9]+)''[)]')::bigint) - 1 INTO highest
    FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = 'event'::regclass;
  RETURN highest - 2 * events + least(events / 2, 2000);
END
$$;

-- Makes partitions until there are enough for a position, at most 50 in a call, and returns when it is due again. A
-- table is made and then attached, so that those who read and append are not held up. It has the rights of the owner,
-- for the writer may not make tables; how far ahead the writer may ask is bounded.
CREATE FUNCTION extend_partitions(wanted bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  head   bigint;
  events bigint;
  due    bigint;
  first  bigint;
  made   integer := 0;
BEGIN
  -- One at a time, and not while the schema is migrated; see migration-statements.ts.
  PERFORM pg_advisory_xact_lock(1685676651, hashtext(current_schema()));
  SELECT coalesce(max(position), 0) INTO head FROM event;
  SELECT partition_events INTO events FROM book;
  wanted := greatest(head, least(wanted, head + 1000000));
  due := partitions_due();
  IF events IS NULL THEN
    IF due <= wanted THEN
      PERFORM set_config('lock_timeout', '200', true);
      ALTER TABLE event DROP CONSTRAINT event_bound;
    END IF;
    RETURN partitions_due();
  END IF;
  WHILE due <= wanted AND made < 50 LOOP
    first := due + 2 * events - least(events / 2, 2000) + 1;
    EXECUTE format('CREATE TABLE event_%s (LIKE event INCLUDING ALL)', first);
    EXECUTE format('CREATE TRIGGER event_%1$s_no_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON event_%1$s
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', first);
    EXECUTE format('ALTER TABLE event ATTACH PARTITION event_%1$s FOR VALUES FROM (%1$s) TO (%2$s)',
      first, first + events);
    due := due + events;
    made := made + 1;
  END LOOP;
  RETURN due;
END
$$;
REVOKE ALL ON FUNCTION extend_partitions(bigint) FROM PUBLIC;
