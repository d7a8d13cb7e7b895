import type { Book } from 'daybook'
import { type AccountState, account } from '../account.ts'
import type { History, HistoryStep } from '../pkdd/history.ts'
import type { Booking } from './bookings.ts'
import { ImportFailure } from './failure.ts'

/** The state of each account of the history that the book knows already. */
export type Known = ReadonlyMap<string, AccountState>

/**
 * What an earlier run left: one load an account, rather than a look-up for each key. Throws `ImportFailure`
 * `BOOK_DIFFERS` when an account holds anything but the first steps of this history.
 */
export async function readKnown(book: Book, { accounts, steps }: History): Promise<Known> {
  const known = new Map<string, AccountState>()
  if ((await book.head()) === 0) return known
  const byAccount = Map.groupBy(steps, (step) => step.accountId)
  for (const { accountId } of accounts) {
    const { state } = await book.load(account, accountId)
    if (state.status === 'new') continue
    checkBeginning(accountId, state, byAccount.get(accountId) ?? [])
    known.set(accountId, state)
  }
  return known
}

function checkBeginning(accountId: string, state: AccountState, steps: readonly HistoryStep[]) {
  const { movements, lastReference } = state
  const last = movements === 0 ? '' : steps[movements - 1]?.transactionId
  if (last === lastReference) return
  throw new ImportFailure(
    'BOOK_DIFFERS',
    `account ${accountId} of the book holds ${movements} movements, and they are not the first of this history`,
    'Import into a new file, or with the arguments of the earlier run.',
  )
}

/** The bookings that are not in the book yet, in their order. */
export function* missing(bookings: Iterable<Booking>, known: Known): Generator<Booking> {
  const passed = new Map<string, number>()
  for (const booking of bookings) {
    for (const id of booking.accountIds) passed.set(id, (passed.get(id) ?? 0) + (booking.steps > 0 ? 1 : 0))
    const isThere = booking.accountIds.every((id) => {
      const state = known.get(id)
      if (state === undefined || booking.kind === 'opening') return state !== undefined
      if (booking.kind === 'closing') return state.status === 'closed'
      return (passed.get(id) ?? 0) <= state.movements
    })
    if (!isThere) yield booking
  }
}
