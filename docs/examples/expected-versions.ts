import { openBook } from 'daybook'
import { memory } from 'daybook/memory'
import { accountEvents } from './account.ts'

const book = await openBook({ store: memory() })

// #region append
const { AccountOpened, MoneyDeposited } = accountEvents

await book.append('account-42', AccountOpened({ owner: 'Ada' }), { expectedVersion: 'none' })
await book.append('account-42', MoneyDeposited({ cents: 2_000 }), { expectedVersion: 1 })

// #endregion

// #region conflict
import { ConcurrencyError } from 'daybook'

try {
  await book.append('account-42', MoneyDeposited({ cents: 500 }), { expectedVersion: 1 })
} catch (error) {
  if (!(error instanceof ConcurrencyError)) throw error
  console.log(`${error.stream} is at version ${error.actual}, not ${error.expected}`)
  console.log(error.hint)
}
// #endregion

// #region several
await book.append(
  [
    { stream: 'account-42', expectedVersion: 2, events: [MoneyDeposited({ cents: 700 })] },
    { stream: 'account-43', expectedVersion: 'none', events: [AccountOpened({ owner: 'Grace' })] },
  ],
  { actor: 'teller-7' },
)
// #endregion

// #region key
const first = await book.append('account-42', MoneyDeposited({ cents: 900 }), { idempotencyKey: 'slip-881' })
const again = await book.append('account-42', MoneyDeposited({ cents: 900 }), { idempotencyKey: 'slip-881' })
console.log(first.isRepeat, again.isRepeat, first.position === again.position)
// #endregion

await book.close()
