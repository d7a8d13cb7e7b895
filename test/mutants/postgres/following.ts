/** Broken stores on PostgreSQL that go wrong where subscriptions are concerned. */
import { dropped } from './alterations.ts'
import { type Alteration, replaced } from './altered-driver.ts'

/** One bug, and the case that must see it. */
interface FollowingMutant {
  readonly name: string
  readonly caughtBy: string
  readonly alteration: Alteration
}

const everyCondition = 'parked events are found by every condition, ordered by subscription and position'

export const followingMutants: readonly FollowingMutant[] = [
  {
    name: 'a lease is not compared where documents are changed',
    caughtBy: 'a change under a lease that somebody else has taken over is refused',
    alteration: replaced(
      ' owner = $7 AND token = $8::bigint) RETURNING 1\n',
      ' $8::bigint > 0) RETURNING 1\n',
    ),
  },
  {
    name: 'a lease is not compared where a checkpoint is moved',
    caughtBy: 'a checkpoint is not moved under a lease that somebody else has taken over',
    alteration: replaced('owner = $7 AND token = $8::bigint', '$8::bigint > 0'),
  },
  {
    name: 'any token of an owner is as good as the last',
    caughtBy: 'a lease that was taken over or given back cannot be renewed, nor one with an old token',
    alteration: replaced('owner = $2 AND token = $3 ', 'owner = $2 AND $3::bigint > 0 '),
  },
  {
    name: 'a token does not grow',
    caughtBy: 'the token of a lease grows each time it is taken',
    alteration: replaced('token = token + 1', 'token = greatest(token, 1)'),
  },
  {
    name: 'a lease whose time is over cannot be taken',
    caughtBy: 'a lease whose time is over is taken over, and its new owner is told so',
    alteration: replaced(' OR leased_until_ms <= now_ms', ''),
  },
  {
    name: 'a lease is taken whoever holds it',
    caughtBy: 'of many who want a lease at once exactly one gets it',
    alteration: replaced('leased_until_ms <= now_ms', 'leased_until_ms > 0'),
  },
  {
    name: 'a new owner is not told that it took a lease over',
    caughtBy: 'a lease whose time is over is taken over, and its new owner is told so',
    alteration: replaced('ELSE owner IS NOT NULL END', 'ELSE false END'),
  },
  {
    name: 'a paused subscription is run all the same',
    caughtBy: 'while a subscription is paused nobody takes or renews its lease',
    alteration: replaced(' AND NOT is_paused', ''),
  },
  {
    name: 'a lease that is held in a transaction is not locked',
    caughtBy: 'a lease that is held in a transaction is not taken over before its end',
    alteration: replaced(/(SELECT 1 FROM .*) FOR NO KEY UPDATE/g, '$1'),
  },
  {
    name: 'members are ordered as a language has it, not by bytes',
    caughtBy: 'who joins a group learns of all who are there, in byte order',
    alteration: replaced('ORDER BY owner', 'ORDER BY owner COLLATE "en-US-x-icu" DESC'),
  },
  {
    name: 'a member stays for ever',
    caughtBy: 'a member that does not tell of itself in time is not there any more',
    alteration: replaced(/until_ms (<=|>) floor\(/g, 'until_ms $1 -1 * floor('),
  },
  {
    name: 'the order of parked events is lost',
    caughtBy: everyCondition,
    alteration: replaced('ORDER BY subscription, position LIMIT', 'ORDER BY md5(position::text) LIMIT'),
  },
  {
    name: 'parked events are ordered by their positions alone',
    caughtBy: everyCondition,
    alteration: replaced('ORDER BY subscription, position LIMIT', 'ORDER BY position LIMIT'),
  },
  {
    name: 'parked events are found after a position that is included',
    caughtBy: everyCondition,
    alteration: replaced(/position > (\$\d)( AND | ?\n)/g, 'position >= $1$2'),
  },
  {
    name: 'what a transaction reads of parked events is not locked',
    caughtBy: 'what a transaction has read of parked events stays so until its end',
    alteration: replaced(/(ORDER BY subscription, position LIMIT \$\d) FOR UPDATE/g, '$1'),
  },
  {
    name: 'what a transaction reads of copies is not locked',
    caughtBy: 'what a transaction has read of the copies of a read model stays so until its end',
    alteration: replaced(/pg_advisory_xact_lock\(\d+, (hashtext\('[^']*read_model ' \|\| \$1\))\)/g, '$1'),
  },
  {
    name: 'a transaction whose work throws is not rolled back',
    caughtBy: 'a transaction whose work throws changes nothing, and rejects with what was thrown',
    alteration: dropped(/^ROLLBACK$/),
  },
  {
    name: 'ids are forgotten up to a position that is not included',
    caughtBy: 'an inbox tells which ids a subscription remembers, until they are forgotten',
    alteration: replaced('position <= $2', 'position < $2'),
  },
  {
    name: 'the parked events of a dropped copy are left behind',
    caughtBy: 'a copy is dropped with its checkpoint, its lease, and what is parked or seen; others stay',
    alteration: dropped(/DELETE FROM "\w+"\.parked_event WHERE subscription = \$1$/),
  },
  {
    name: 'a reset takes back what a person skipped',
    caughtBy: 'a reset forgets what is parked or seen, but not what a person skipped',
    alteration: replaced(` AND status <> 'skipped'`, ''),
  },
]
