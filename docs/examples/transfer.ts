// #region decision
import { appendTo, decision, refuse } from 'daybook'
import { account, accountEvents } from './account.ts'

interface TransferInput {
  readonly from: string
  readonly to: string
  readonly cents: number
}

export const transfer = decision('transfer', {
  reads: ({ from, to }: TransferInput) => ({
    sender: account.stream(from),
    receiver: account.stream(to),
  }),
  decide: ({ sender, receiver }, { from, to, cents }) => {
    if (from === to) return refuse('SameAccount')
    if (!receiver.state.isOpen) return refuse('NotOpen', { account: to })
    if (cents > sender.state.cents) return refuse('InsufficientFunds', { available: sender.state.cents })
    return [
      appendTo(sender, accountEvents.MoneyWithdrawn({ cents })),
      appendTo(receiver, accountEvents.MoneyDeposited({ cents })),
    ]
  },
})

// #endregion

// #region use
import { openBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'

await using book = await openBook({ store: sqlite('transfers.db'), deciders: [account] })

await book.execute(account.open('42', { owner: 'Ada' }))
await book.execute(account.deposit('42', { cents: 2_000 }))
await book.execute(account.open('43', { owner: 'Grace' }))

const done = await book.execute(transfer({ from: '42', to: '43', cents: 1_500 }), { actor: 'teller-7' })
if (done.refused) throw new Error(done.refused.reason)
console.log(done.state.sender.state.cents, done.state.receiver.state.cents)
console.log(done.events.map(({ position, stream, type }) => `${position} ${stream} ${type}`))
// #endregion
