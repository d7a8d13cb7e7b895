// #region group
import { openBook, subscription } from 'daybook'
import { memory } from 'daybook/memory'
import { account, accountEvents } from './account.ts'

export const ledgerExport = subscription('ledger-export', {
  from: accountEvents,
  version: 1,
  shards: 8,
  batch: 200,
  retry: { maxAttempts: 20, delayMs: 50, maxDelayMs: 60_000 },
  runBatch: async (events, { isRepeat, signal }) => {
    await warehouse.insert(
      events.map(({ id, stream, type, data }) => ({ id, stream, type, data })),
      { ignoreKnownIds: isRepeat, signal },
    )
  },
})

// #endregion

const inserted = Promise.withResolvers<void>()
const warehouse = {
  rows: 0,
  async insert(rows: readonly { readonly id: string }[], _options: object): Promise<void> {
    warehouse.rows += rows.length
    if (warehouse.rows === 50) inserted.resolve()
  },
}

await using book = await openBook({ store: memory(), deciders: [account], subscriptions: [ledgerExport] })
for (let n = 0; n < 50; n++) await book.execute(account.open(String(n), { owner: 'Ada' }))
await inserted.promise

// #region status
for (const { name, state, behind, behindMs, isStuck, cause, shards } of await book.status()) {
  console.log(name, state, behind, behindMs, isStuck ? cause : 'gets on')
  for (const { subscription: shard, owner, position } of shards) console.log(shard, owner, position)
}
// #endregion
