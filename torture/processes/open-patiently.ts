import { setTimeout as sleep } from 'node:timers/promises'
import { type Book, type BookOptions, isDaybookError, openBook } from 'daybook'

const mostWaitMs = 60_000

/** Opens the book, again when its database is away or its lock is held longer than this process waits. */
export async function openPatiently(options: BookOptions): Promise<Book> {
  const startMs = performance.now()
  for (;;) {
    try {
      return await openBook(options)
    } catch (error) {
      const isAway = isDaybookError(error, 'STORE_UNREACHABLE') || isDaybookError(error, 'STORE_BUSY')
      if (!isAway || performance.now() - startMs > mostWaitMs) throw error
    }
    await sleep(20)
  }
}
