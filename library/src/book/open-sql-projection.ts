import { DaybookError, messageOf } from '../core/errors.ts'
import type { SqlProjectionDefinition } from '../core/sql-projection.ts'
import { Follower } from '../processing/follower.ts'
import { LagWindow } from '../processing/lag-window.ts'
import { SqlProjecting } from '../processing/sql-projecting.ts'
import type { OpeningParts } from './open-subscription.ts'

/** A SQL projection of an open book. */
export interface OpenSqlProjection {
  readonly definition: SqlProjectionDefinition
  readonly projecting: SqlProjecting
  readonly follower: Follower
  readonly lag: LagWindow
  readonly isChanged: boolean
}

/** Makes its tables and its checkpoint, the first time this book meets it, and what runs it here. */
export async function openSqlProjection(
  { context, keeper, recordLag }: OpeningParts,
  definition: SqlProjectionDefinition,
): Promise<OpenSqlProjection> {
  const { store, host, report } = context
  const { subscription: subject, name, version } = definition
  const lag = new LagWindow(host.now)
  const projecting = new SqlProjecting({
    definition,
    fingerprint: context.digest(definition.fingerprintText),
    log: store.log,
    models: store.readModels,
    following: store.following,
    identity: store.identity,
    host,
    onError: (error, isStopped) => {
      const kind = isStopped ? 'projection-stopped' : 'follower-waiting'
      report({ kind, subject, message: `projection ${subject}: ${messageOf(error)}`, error })
    },
    onParked: ({ position }, error) => {
      const message = `projection ${subject}, event ${position}: ${messageOf(error)}`
      report({ kind: 'event-parked', subject, message, error })
    },
    onDone: (lagMs) => {
      lag.record(lagMs)
      recordLag(lagMs, { kind: 'projection', name, version })
    },
  })
  const isChanged = store.isReadOnly ? await projecting.isOfOtherCode() : await projecting.prepare()
  if (isChanged) {
    const message = `projection ${subject} was changed, but its version was not raised: what is stored is of other code`
    report({ kind: 'projection-changed', subject, message })
  }
  const lease = { keeper, claim: { subscription: subject } }
  return {
    definition,
    projecting,
    follower: new Follower(projecting, store.log, host, lease),
    lag,
    isChanged,
  }
}

/** How `book.rebuild` goes about it. */
export interface FoldAnewOptions {
  /** Told again and again up to which position it has folded, and where the log ends. */
  readonly onProgress?: (position: number, head: number) => void
  /**
   * Ends it early: rejects with the signal's reason. Tables of a SQL projection stay as far as they are filled, for whoever
   * follows the book to go on with; of another projection the next rebuild goes on.
   */
  readonly signal?: AbortSignal
}

/** Clears the tables and fills them anew, up to the head of the moment. Throws what stops it. */
export async function rebuildSqlProjection(
  { projecting, follower }: OpenSqlProjection,
  head: () => Promise<number>,
  { onProgress, signal = new AbortController().signal }: FoldAnewOptions,
): Promise<void> {
  signal.throwIfAborted()
  await projecting.reset()
  const target = await head()
  for (;;) {
    const { position } = await projecting.checkpoint()
    onProgress?.(Math.min(position, target), target)
    if (position >= target) return
    signal.throwIfAborted()
    if (follower.state === 'stopped') throw follower.error
    // Whoever has the lease does it as well; each transaction counts once, whoever was faster.
    await step(projecting, signal)
  }
}

async function step(projecting: SqlProjecting, signal: AbortSignal): Promise<void> {
  try {
    await projecting.step(signal)
  } catch (error) {
    throw error instanceof Error && error.cause instanceof DaybookError ? error.cause : error
  }
}
