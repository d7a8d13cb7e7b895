import { AppendQueue } from '../core/append-queue.ts'
import { integerWithin, limitsFrom } from '../core/limits.ts'
import type { OpenStore } from '../core/ports/store.ts'
import { RowReader } from '../core/recorded-event.ts'
import { nodeHost } from '../host/node-host.ts'
import { InlineProjection, inlineStep } from '../processing/inline.ts'
import { PageSizes } from '../processing/page-sizes.ts'
import { Book } from './book.ts'
import type { BookContext } from './context.ts'
import { Followers } from './followers.ts'
import { Lanes } from './lanes.ts'
import { StateLoader } from './loading.ts'
import { openProcess } from './open-process.ts'
import type { BookOptions } from './options.ts'
import { defaultRetries, type RetryPolicy } from './retrying.ts'
import { Snapshotter } from './snapshotting.ts'
import { EventValidator } from './validation.ts'

/** One transaction of the append queue; more waits for the next, so that nobody waits long for the lock. */
const batchBounds = { events: 1_000, bytes: 8 * 1_048_576 }

const encoder = new TextEncoder()

/**
 * Opens a book: the store, the projections and reactions that follow it, ready for commands.
 * Close it with `await book.close()`, or hold it by `await using`.
 *
 * @throws DaybookError `STORE_*` when the store cannot be opened safely, `DEFINITION_INVALID`, `ILLEGAL_ARGUMENT`
 */
export async function openBook(options: BookOptions): Promise<Book> {
  const host = nodeHost(options.host)
  const limits = limitsFrom(options.limits)
  const retries = retriesFrom(options.retries)
  const validator = new EventValidator(options.deciders ?? [])
  const digest = (text: string): string => Buffer.from(host.sha256(encoder.encode(text))).toString('hex')
  const store = await options.store.open(host)
  try {
    const inlineProjections = (options.projections ?? [])
      .filter(({ definition }) => definition.mode === 'inline')
      .map(({ definition }) => new InlineProjection(definition))
    const inline = inlineStep(inlineProjections, store.identity, host.now)
    const context: BookContext = {
      store,
      host,
      queue: new AppendQueue(
        {
          commit: (requests, next) => store.log.append(requests, inline, next),
          nextTurn: host.nextTurn,
        },
        batchBounds,
      ),
      preparation: { limits, newId: host.newId, fingerprint: digest, validate: validator.validate },
      rows: new RowReader(),
      pageSizes: new PageSizes(),
      inline,
      inlineProjections,
      digest,
      report: (diagnostic) => {
        try {
          options.onDiagnostic?.(diagnostic)
        } catch {
          // Whoever listens must not break what is listened to.
        }
      },
    }
    const loader = new StateLoader(context)
    const policy = store.isReadOnly ? false : (options.snapshots ?? { everyEvents: 100 })
    const snapshotter = new Snapshotter(context, loader, policy)
    const deciders = options.deciders ?? []
    const parts = { context, loader, snapshotter, retries, deciders }
    const lanes = new Lanes(parts)
    const execute = lanes.execute.bind(lanes)
    const processes = (options.processes ?? []).map(({ definition }) =>
      openProcess({ ...parts, execute }, definition),
    )
    const followers = await Followers.open(context, options, processes)
    return new Book({
      ...parts,
      lanes,
      followers,
      processes: processes.map(({ definition }) => definition),
    })
  } catch (error) {
    await closeQuietly(store)
    throw error
  }
}

function retriesFrom(given: Partial<RetryPolicy> = {}): RetryPolicy {
  const policy = { ...defaultRetries, ...given }
  integerWithin('retries.maxAttempts', policy.maxAttempts, 1, 1_000)
  integerWithin('retries.maxDelayMs', policy.maxDelayMs, 0, 60_000)
  return policy
}

/** Closes a store whose opening failed; the reason it failed matters more than what closing says. */
async function closeQuietly(store: OpenStore): Promise<void> {
  await store.close().catch(() => undefined)
}
