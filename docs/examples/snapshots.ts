import { openBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account } from './account.ts'

// #region policy
await using book = await openBook({
  store: sqlite('snapshots.db'),
  deciders: [account],
  snapshots: { everyEvents: 50 },
  onDiagnostic: ({ kind, message }) => console.warn(kind, message),
})
// #endregion

await book.execute(account.open('42', { owner: 'Ada' }))
await Promise.all(
  Array.from({ length: 200 }, (_, slip) =>
    book.execute(account.deposit('42', { cents: 100 }), { idempotencyKey: `slip-${slip}` }),
  ),
)
const { state, version } = await book.load(account, '42')
console.log(state, 'at version', version)
