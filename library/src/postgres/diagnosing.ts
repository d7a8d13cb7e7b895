import { type ErrorCode, errorRegistry } from '../core/errors.ts'
import { maxPosition } from '../core/limits.ts'
import type { StoreReport } from '../core/ports/store.ts'
import { endProcess, rollbackPrepared } from './inspect-statements.ts'
import { holderText, type LockHolder } from './lock-holders.ts'
import type { Observed, OpenTransaction } from './observing.ts'

type Problem = StoreReport['problems'][number]

/** An append holds the lock for some milliseconds; one that waits for a second is stuck. */
const longLockMs = 1_000
/** A transaction that has done nothing for so long was forgotten. */
const longIdleMs = 60_000
/** Above this share of the connections, the next process to start may get none. */
const crowdedShare = 0.9
const fullShare = 0.9

/** What is wrong with a book and its server, the most urgent first. `mayBeUnsafe`: see `Inspection`. */
export function problemsIn(observed: Observed, mayBeUnsafe: boolean): readonly Problem[] {
  const { alterations, faults, holders, transactions } = observed
  return [
    ...diskFull(observed),
    ...(mayBeUnsafe ? [] : unsafeSettings(observed)),
    ...replicasMissing(observed),
    ...holders.filter(isLong).map(heldLock),
    ...transactions.filter(isForgotten(holders)).map(forgotten),
    ...altered(alterations),
    ...faults.map(({ index, lacking, extra }) =>
      problem(
        'STORE_CORRUPT',
        `the index of ${index} lacks ${lacking} entries and has ${extra} that no event has`,
        'Somebody wrote to the tables of the book by hand. Stop writing, and restore the newest backup that verifies.',
      ),
    ),
    ...crowded(observed),
    ...(observed.head > maxPosition * fullShare
      ? [problem('EVENT_CAPACITY_REACHED', `the log is at position ${observed.head} of ${maxPosition}`)]
      : []),
  ]
}

function problem(code: ErrorCode, message: string, hint: string = errorRegistry[code].hint): Problem {
  return { code, message, hint }
}

function diskFull({ isDiskFull }: Observed): readonly Problem[] {
  return isDiskFull
    ? [
        problem(
          'STORE_FULL',
          'the disk of the server has no room left for 4 MB: appends are or will be refused',
        ),
      ]
    : []
}

function unsafeSettings({ unsafe }: Observed): readonly Problem[] {
  return unsafe.map((setting) =>
    problem('STORE_UNSAFE', `with ${setting} an acknowledged append can be lost`),
  )
}

/** Without them a commit that is to be durable never ends. */
function replicasMissing({ server, replicas }: Observed): readonly Problem[] {
  const { synchronousStandbyNames: names, synchronousCommit } = server
  if (names === '' || replicas > 0 || ['off', 'local'].includes(synchronousCommit)) return []
  return [
    problem(
      'STORE_HELD_UP',
      `appends wait for synchronous replicas (synchronous_standby_names = ${names}), and none is connected`,
      'Bring a replica back; or take its name out of synchronous_standby_names, and know that appends are then on one machine only.',
    ),
  ]
}

function isLong({ transactionMs, stateMs, waiting }: LockHolder): boolean {
  return transactionMs === undefined ? waiting > 0 : Math.max(transactionMs, stateMs ?? 0) >= longLockMs
}

function heldLock(holder: LockHolder): Problem {
  const end = holder.pid === undefined ? rollbackPrepared : endProcess(holder.pid)
  return problem(
    'STORE_HELD_UP',
    `the log's lock is held, and ${holder.waiting} wait for it: ${holderText(holder)}`,
    `Commit or roll that transaction back; nothing can be appended before. If nobody will, ${end} ends it.`,
  )
}

/** Whoever holds the log's lock is told as that. */
function isForgotten(holders: readonly LockHolder[]): (transaction: OpenTransaction) => boolean {
  return ({ pid, idleMs }) =>
    idleMs !== undefined && idleMs >= longIdleMs && !holders.some((holder) => holder.pid === pid)
}

function forgotten({ pid, applicationName, user, state, idleMs = 0, openMs }: OpenTransaction): Problem {
  const idle = Math.round(idleMs / 1_000)
  return problem(
    'STORE_HELD_UP',
    `process ${pid} (application ${JSON.stringify(applicationName)}, user ${user}) is ${state} for ${idle} s, its transaction open for ${Math.round(openMs / 1_000)} s: the server cannot clean up what was replaced since`,
    `Commit or roll that transaction back. If nobody will, ${endProcess(pid)} ends it; idle_in_transaction_session_timeout does so by itself.`,
  )
}

function altered(alterations: Observed['alterations']): readonly Problem[] {
  return alterations.map(({ kind, table, name }) => {
    if (kind !== 'trigger')
      return problem(
        'STORE_ALTERED',
        `the table ${table} has no valid ${kind}${name === undefined ? '' : ` ${name}`}`,
      )
    const effect =
      name === 'event_recorded'
        ? 'appended events are missing in the indexes'
        : 'recorded rows can be changed and deleted'
    return problem(
      'STORE_ALTERED',
      `the trigger on ${table} that calls ${name} is missing or disabled: ${effect}`,
    )
  })
}

function crowded({ connections: { used, most } }: Observed): readonly Problem[] {
  if (used < most * crowdedShare) return []
  return [
    problem(
      'STORE_BUSY',
      `${used} of ${most} connections of the server are in use`,
      'Raise max_connections, close what is idle, or put a pooler in between. A process of Daybook takes up to six, and `readConnections` (2 by default).',
    ),
  ]
}
