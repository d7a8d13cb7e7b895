import type { Book } from 'daybook'
import type { Booking } from './bookings.ts'
import { ImportFailure } from './failure.ts'

/**
 * Commands under way at once. They share commits: the more, the fewer flushes of the disk. Beyond a few hundred there
 * is nothing left to win.
 */
const mostUnderWay = 256

/**
 * Runs bookings: many at once, but those of one account one after the other, so that whatever happens a book holds
 * the first steps of each account and no others. Stops at the first failure, or when the signal is aborted, and then
 * waits for what is under way. `onDone` is told of each booking that is in the log.
 */
export async function runBookings(
  book: Book,
  bookings: Iterable<Booking>,
  onDone: (booking: Booking) => void,
  signal: AbortSignal,
): Promise<void> {
  const tails = new Map<string, Promise<void>>()
  const underWay = new Set<Promise<void>>()
  let failure: unknown
  for (const booking of bookings) {
    if (failure !== undefined || signal.aborted) break
    const before = booking.accountIds.map((id) => tails.get(id) ?? Promise.resolve())
    const running = Promise.all(before)
      .then(() => (failure === undefined ? runBooking(book, booking).then(() => onDone(booking)) : undefined))
      .catch((error: unknown) => {
        failure ??= error
      })
      .finally(() => underWay.delete(running))
    for (const id of booking.accountIds) tails.set(id, running)
    underWay.add(running)
    if (underWay.size >= mostUnderWay) await Promise.race(underWay)
  }
  await Promise.all(underWay)
  if (failure !== undefined) throw failure
}

async function runBooking(book: Book, booking: Booking) {
  const { refused } = await booking.run(book)
  if (refused === undefined) return
  throw new ImportFailure(
    'BOOKING_REFUSED',
    `${booking.subject} was refused: ${JSON.stringify(refused)}`,
    'The history contradicts itself, or the book holds something else: import into a new file.',
  )
}
