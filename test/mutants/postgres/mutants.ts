/** Broken stores on PostgreSQL: whole ones whose statements are changed on their way to the server. */
import type { Store } from '../../../library/src/core/ports/store.ts'
import { alteredStore, delegating } from '../altered-store.ts'
import {
  answerBeforeCommit,
  anyCommitIsSuccess,
  dropped,
  factsBeforeLock,
  lockWithinMatch,
  positionsBySequence,
  sentLast,
  withoutLock,
} from './alterations.ts'
import { type Alteration, all, replaced } from './altered-driver.ts'
import { followingMutants } from './following.ts'

/** One bug, and the case that must see it. */
export interface PostgresMutant {
  readonly name: string
  readonly caughtBy: string
  readonly alteration: Alteration
  /** Cases that it passes: what the second line of defence holds. */
  readonly withstands?: readonly string[]
  /** For a bug that no statement shows. */
  readonly alterStore?: (store: Store) => Store
  /** For what is found by waiting in vain, in ms. */
  readonly timeoutMs?: number
}

const unseen: Alteration = (send) => send

const oneVersion = 'of many appends at one version at once exactly one wins'
const oneCondition = 'of many appends on one condition at once exactly one wins'
const oneKey = '64 uses of one key at once have one effect'
const nobodyMet = 'whoever has the lock sees everything before it: no append meets the rows of another'

const versionsNotUnique = replaced('PRIMARY KEY (stream, version) INCLUDE (position)', 'CHECK (version > 0)')
const keysNotUnique = replaced(/(key\s+text\s+NOT NULL COLLATE "C") PRIMARY KEY,(\s+fingerprint)/g, '$1,$2')

const unflushed = replaced(/pg_logical_emit_message\(true, 'daybook', ''\)/g, 'NULL')

const locking: readonly PostgresMutant[] = [
  {
    name: 'the lock is not taken',
    caughtBy: 'an append waits for whoever holds the lock of the log, though they write nothing',
    alteration: withoutLock,
    // Positions are unique in the database, so that the later of two is refused, and tried again.
    withstands: [oneVersion, oneKey, 'a book opened twice has one log'],
  },
  { name: 'the lock is not taken, and appends meet', caughtBy: nobodyMet, alteration: withoutLock },
  {
    name: 'conditions are looked up before the lock is taken',
    caughtBy: oneCondition,
    alteration: factsBeforeLock,
    // Versions and keys are unique in the database, whatever was looked up.
    withstands: [oneVersion, oneKey],
  },
  {
    name: 'versions are looked up before the lock is taken, and not unique in the database',
    caughtBy: oneVersion,
    alteration: all(factsBeforeLock, versionsNotUnique),
  },
  {
    name: 'keys are looked up before the lock is taken, and neither they nor versions are unique in the database',
    caughtBy: oneKey,
    alteration: all(factsBeforeLock, keysNotUnique, versionsNotUnique),
  },
  {
    name: 'the lock is taken by the statement that reads, which sees the log from before',
    caughtBy: oneCondition,
    alteration: lockWithinMatch,
  },
  {
    name: 'the transaction is REPEATABLE READ, and sees the log from before the lock',
    caughtBy: nobodyMet,
    alteration: replaced('LEVEL READ COMMITTED', 'LEVEL REPEATABLE READ'),
  },
  {
    name: 'positions come from a sequence, which keeps gaps where something was rolled back',
    caughtBy: 'an inline step that throws takes back the events, the keys and its own changes',
    alteration: all(...positionsBySequence),
  },
  {
    name: 'positions come from a sequence, so that they are not in the order of commits',
    caughtBy: 'who follows the log while others append sees each event once, in order, by any filter',
    alteration: all(...positionsBySequence),
  },
]

const committing: readonly PostgresMutant[] = [
  {
    name: 'an append is answered before its commit',
    caughtBy: 'the answer to an append is what is read afterwards',
    // The flush runs on the same connection, so that it alone would make the answer wait for the commit.
    alteration: all(answerBeforeCommit, unflushed),
  },
  {
    name: 'a commit answered with a rollback is taken for success',
    caughtBy: 'an append whose inline step swallows a failure is acknowledged only when it is there',
    alteration: anyCommitIsSuccess,
  },
  {
    name: 'an append is not flushed',
    caughtBy: 'an append is answered when it is flushed, by its commit or after it',
    alteration: unflushed,
  },
  {
    name: 'everything is taken for durable',
    caughtBy: 'whoever asks whether an event of another process is durable waits for a flush',
    alteration: unseen,
    alterStore: (store) =>
      alteredStore(store, (opened) => ({
        ...opened,
        log: { ...delegating(opened.log), whenDurable: async () => undefined },
      })),
  },
  {
    name: 'a joined append sets no savepoint',
    caughtBy: 'an inline step that throws within a transaction takes back only its own append',
    alteration: dropped(/SAVEPOINT daybook_append$/),
  },
]

const followedInOrder = 'the log filtered by types, categories and tags: each event once, in order'
const slicesOfStream = 'slices of a stream by direction, versions and types'
/** What a server may do when no order is asked for. */
const anyOrder = 'ORDER BY md5('

const reading: readonly PostgresMutant[] = [
  {
    name: 'the order of the log is lost',
    caughtBy: 'the log after a position, which is not included, up to one that is',
    alteration: replaced(/ORDER BY (e\.position) LIMIT \$3/g, `${anyOrder}$1::text) LIMIT $3`),
  },
  {
    name: 'the order of events found by their tags is lost',
    caughtBy: followedInOrder,
    alteration: replaced(/ORDER BY (t\.position) LIMIT \$7/g, `${anyOrder}$1::text) LIMIT $7`),
  },
  {
    name: 'the order of events found by type and category is lost',
    caughtBy: followedInOrder,
    alteration: replaced(/ORDER BY (e\.position) LIMIT \$5/g, `${anyOrder}$1::text) LIMIT $5`),
  },
  {
    name: 'the first match is not the first',
    caughtBy: 'a condition is matched by types, categories and tags',
    alteration: replaced(/ORDER BY ([et]\.position) LIMIT 1$/g, 'ORDER BY $1 DESC LIMIT 1'),
  },
  {
    name: 'the order of a stream is lost',
    caughtBy: slicesOfStream,
    alteration: replaced(/ORDER BY (i\.version) LIMIT/g, `${anyOrder}$1::text) LIMIT`),
  },
  {
    name: 'a stream is read forwards when asked backwards',
    caughtBy: slicesOfStream,
    alteration: replaced('ORDER BY i.version DESC LIMIT', 'ORDER BY i.version LIMIT'),
  },
  {
    name: 'the order of the hashes is lost',
    caughtBy: 'recomputing every hash gives the stored ones',
    alteration: replaced(/ORDER BY (position) LIMIT \$2/g, `${anyOrder}$1::text) LIMIT $2`),
  },
  {
    name: 'any event is taken for the head',
    caughtBy: 'positions and versions begin at 1 and have no gaps',
    alteration: replaced('ORDER BY position DESC LIMIT 1', 'ORDER BY position LIMIT 1'),
    timeoutMs: 4_000,
  },
  {
    name: 'the head of the log is read after its events, and taken for where they end',
    caughtBy: 'who follows the log while others append sees each event once, in order, by any filter',
    alteration: sentLast(/^\s*SELECT \S*largest_event_bytes/),
  },
  {
    name: 'a page that is one row short is taken for the last',
    caughtBy: 'slices of a stream in pages of every size',
    alteration: replaced(/LIMIT \$5$/g, 'LIMIT greatest($5::int8 - 1, 1)'),
  },
  {
    name: 'a page cut off by its bytes is taken for the last',
    caughtBy: 'large events are read whole, however many a page holds',
    alteration: replaced('< 4194304', '< 1'),
  },
  {
    name: 'the largest event is not known, so that pages are not bounded',
    caughtBy: 'a page of large events is bounded in bytes, however it is asked for',
    alteration: replaced('UPDATE book SET largest_event_bytes = largest', 'UPDATE book SET epoch = epoch'),
  },
  {
    name: 'a category is taken for a prefix',
    caughtBy: 'a condition is matched by types, categories and tags',
    alteration: replaced(
      "split_part(e.stream, '-', 1) = ANY ($4)",
      'EXISTS (SELECT FROM unnest($4) AS c WHERE starts_with(e.stream, c))',
    ),
  },
  {
    name: 'a position that is the upper bound is left out',
    caughtBy: 'the log after a position, which is not included, up to one that is',
    alteration: replaced('e.position <= $2', 'e.position < $2'),
  },
]

const storing: readonly PostgresMutant[] = [
  {
    name: 'data and metadata are stored as jsonb',
    caughtBy: 'data text comes back byte for byte',
    alteration: replaced(/(data\s+)json(\s+NOT NULL)/g, '$1jsonb$2'),
  },
  {
    name: 'tags are not kept',
    caughtBy: followedInOrder,
    alteration: replaced(/INSERT INTO event_tag.*? AS tag;/gs, ''),
  },
  {
    name: 'only some tags are kept',
    caughtBy: 'tags come back sorted and each once, with any Unicode',
    alteration: replaced(
      'json_array_elements_text(recorded.tags) AS tag;',
      'json_array_elements_text(recorded.tags) AS tag LIMIT 3;',
    ),
  },
  {
    name: 'a tag is kept twice',
    caughtBy: followedInOrder,
    alteration: all(
      replaced(/PRIMARY KEY \(tag, position\)/g, 'CHECK (position > 0)'),
      replaced(
        'SELECT tag, position FROM recorded,',
        'SELECT tag, position FROM generate_series(1, 2), recorded,',
      ),
    ),
  },
  {
    name: 'names do not tell upper from lower case',
    caughtBy: 'keys that look alike are different keys',
    alteration: all(
      replaced(
        /^-- The log:/g,
        `CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);\n--`,
      ),
      replaced(/(key\s+text\s+NOT NULL) COLLATE "C" PRIMARY KEY/g, '$1 COLLATE loose PRIMARY KEY'),
    ),
    timeoutMs: 4_000,
  },
  {
    name: 'streams compare as a language has it, not by bytes',
    caughtBy: 'names that look alike are different streams',
    alteration: all(
      replaced(
        /^-- The log:/g,
        `CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);\n--`,
      ),
      replaced(/(stream\s+text\s+NOT NULL) COLLATE "C"/g, '$1 COLLATE loose'),
      replaced('s.stream COLLATE "C"', 's.stream'),
    ),
    timeoutMs: 4_000,
  },
  {
    name: 'documents are ordered as a language has it, not by bytes',
    caughtBy: 'documents are ordered: nulls first ascending, text by its bytes, ties by key',
    alteration: replaced(/text COLLATE "C"/g, 'text COLLATE "en-US-x-icu"'),
  },
  {
    name: 'the database does not look for gaps',
    caughtBy: 'the database itself refuses gaps, forks, ids used twice, and every change',
    alteration: replaced(/IF highest - lowest \+ 1 <> events.*?END IF;/gs, ''),
  },
  {
    name: 'the database lets events be changed',
    caughtBy: 'the database itself refuses gaps, forks, ids used twice, and every change',
    alteration: replaced('BEFORE UPDATE OR DELETE OR TRUNCATE ON event\n', 'BEFORE TRUNCATE ON event\n'),
  },
]

const waking: readonly PostgresMutant[] = [
  {
    name: 'nobody is notified',
    caughtBy: 'other openings hear of appends long before they would look themselves',
    alteration: replaced(/pg_notify\('.*?', ''\)/g, '1'),
    // Whoever is not notified looks by themselves, a second later at most.
    withstands: ['an append through another opening of the book wakes, too'],
  },
]

/** What loses acknowledged events when the server is killed. */
export const losingMutants: readonly Pick<PostgresMutant, 'name' | 'alteration'>[] = [
  { name: 'an append is not flushed', alteration: unflushed },
  {
    name: 'the flush writes a record that no commit waits for',
    alteration: replaced('pg_logical_emit_message(true', 'pg_logical_emit_message(false'),
  },
]

export const postgresMutants: readonly PostgresMutant[] = [
  ...locking,
  ...committing,
  ...reading,
  ...storing,
  ...waking,
  ...followingMutants,
]
