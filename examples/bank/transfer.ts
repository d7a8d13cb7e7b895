import { appendTo, decision, refuse } from 'daybook'
import { account, booked, mustBeOpen, mustCover } from './account.ts'
import { accountEvents, type DataOf } from './account-events.ts'

/** The bank's own two letters. */
const ownBank = 'DB'

export interface TransferInput {
  readonly from: string
  readonly to: string
  /** Positive. */
  readonly cents: number
  readonly purpose?: NonNullable<DataOf<'TransferSent'>['purpose']>
}

const reads = ({ from, to }: TransferInput) => ({
  sender: account.stream(from),
  receiver: account.stream(to),
})

/**
 * Money from one account of the bank to another. Both balances are read, both sides are appended in one transaction:
 * either both happen or neither, and if either account changed meanwhile it is decided again.
 */
export const transfer = decision('transfer', {
  reads,
  decide: ({ sender, receiver }, { from, to, ...data }) => {
    if (from === to) return refuse('SameAccount')
    const refused = mustCover(sender.state, data.cents) ?? mustBeOpen(receiver.state)
    if (refused) return refused
    return [
      appendTo(sender, accountEvents.TransferSent({ ...data, counterparty: { bank: ownBank, account: to } })),
      appendTo(
        receiver,
        accountEvents.TransferReceived({ ...data, counterparty: { bank: ownBank, account: from } }),
      ),
    ]
  },
})

/** Both sides of a transfer that a ledger has booked already, with its numbers. */
export interface BookedTransferInput extends TransferInput {
  readonly transferId: string
  readonly sentReference: string
  readonly receivedReference: string
}

/** As `transfer`, for what has happened already: not refused for lack of money. */
export const recordTransfer = decision('record-transfer', {
  reads: (input: BookedTransferInput) => reads(input),
  decide: ({ sender, receiver }, { from, to, sentReference, receivedReference, ...data }) => {
    const refused = mustBeOpen(sender.state) ?? mustBeOpen(receiver.state)
    if (refused) return refused
    const sent = accountEvents.TransferSent({
      ...data,
      counterparty: { bank: ownBank, account: to },
      reference: sentReference,
    })
    const received = accountEvents.TransferReceived({
      ...data,
      counterparty: { bank: ownBank, account: from },
      reference: receivedReference,
    })
    return [
      ...booked(sender.state, sent).map((event) => appendTo(sender, event)),
      appendTo(receiver, received),
    ]
  },
})
