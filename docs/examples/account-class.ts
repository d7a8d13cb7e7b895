// #region class
import { aggregate, refuse } from 'daybook'
import { accountEvents } from './account.ts'

class Account extends aggregate('account', accountEvents) {
  isOpen = false
  cents = 0

  readonly on = this.appliers({
    AccountOpened: () => {
      this.isOpen = true
    },
    MoneyDeposited: ({ cents }) => {
      this.cents += cents
    },
    MoneyWithdrawn: ({ cents }) => {
      this.cents -= cents
    },
  })

  open(owner: string) {
    if (this.isOpen) return refuse('AlreadyOpen')
    return this.apply(accountEvents.AccountOpened({ owner }))
  }

  deposit(cents: number) {
    if (!this.isOpen) return refuse('NotOpen')
    return this.apply(accountEvents.MoneyDeposited({ cents }))
  }

  withdraw(cents: number) {
    if (cents > this.cents) return refuse('InsufficientFunds', { available: this.cents })
    return this.apply(accountEvents.MoneyWithdrawn({ cents }))
  }

  override toSnapshot() {
    return { isOpen: this.isOpen, cents: this.cents }
  }

  override fromSnapshot({ isOpen, cents }: { isOpen: boolean; cents: number }) {
    this.isOpen = isOpen
    this.cents = cents
  }
}

// #endregion

// #region use
import { openBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'

await using book = await openBook({ store: sqlite('classes.db') })
const accounts = book.repository(Account)

const ada = await accounts.load('42')
ada.open('Ada')
ada.deposit(2_000)
await accounts.save(ada, { actor: 'teller-7' })
console.log('saved at version', ada.version)

// #endregion

// #region execute
import { CommandRefusedError } from 'daybook'

const after = await accounts.execute('42', (account) => account.withdraw(500), { actor: 'teller-7' })
console.log('balance', after.cents)

try {
  await accounts.execute('42', (account) => account.withdraw(5_000))
} catch (error) {
  if (!(error instanceof CommandRefusedError)) throw error
  console.log(error.refusal.reason, error.refusal.facts)
}
// #endregion
