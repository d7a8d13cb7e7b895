// #region subscription
import { openBook, subscription } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account, accountEvents } from './account.ts'

const search = subscription('search', {
  from: accountEvents,
  types: ['AccountOpened'],
  retry: { maxAttempts: 5 },
  run: async (event, { idempotencyKey, signal }) => {
    await index.put({ id: event.streamId, owner: event.data.owner, idempotencyKey, signal })
  },
})
// #endregion

interface Entry {
  readonly id: string
  readonly owner: string
  readonly idempotencyKey: string
  readonly signal: AbortSignal
}

/** A search engine that is away at first. */
class Index {
  readonly entries = new Map<string, string>()
  readonly isReachable = { value: false }
  readonly #indexed = Promise.withResolvers<void>()

  get indexed(): Promise<void> {
    return this.#indexed.promise
  }

  async put({ id, owner, signal }: Entry): Promise<void> {
    signal.throwIfAborted()
    if (owner === 'Ada' && !this.isReachable.value) throw new Error('no such shard')
    this.entries.set(id, owner)
    if (this.entries.size === 2) this.#indexed.resolve()
  }
}

const index = new Index()
const parked = Promise.withResolvers<void>()

// #region use
await using book = await openBook({
  store: sqlite('searched.db'),
  deciders: [account],
  subscriptions: [search],
  lag: {
    alarmMs: 2_000,
    onAlarm: ({ follower, isOver }) => console.log(follower.name, isOver ? 'caught up' : 'lags'),
  },
  onDiagnostic: ({ kind, message }) => {
    if (kind === 'event-parked') parked.resolve()
    if (kind === 'follower-stuck') console.error(message)
  },
})

await book.execute(account.open('1', { owner: 'Ada' }))
await book.execute(account.open('2', { owner: 'Bob' }))
// #endregion

await parked.promise
console.log(index.entries)

// #region parked
for (const { position, stream, attempts, error } of await book.subscriptions.parked({
  subscription: 'search',
}))
  console.log(position, stream, attempts, error)
// #endregion
index.isReachable.value = true

// #region decide
await book.subscriptions.retry('search', 1)
// or: await book.subscriptions.skip('search', 1, { reason: 'account was a test', actor: 'ada' })
// #endregion

await index.indexed
console.log(index.entries)
