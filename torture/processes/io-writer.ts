/** Writes a book while its system calls fail now and then: tells what failed with which code, and tries again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { type Book, isDaybookError, openBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account, balances, totals } from '../accounts.ts'
import { configOf, say } from '../child.ts'
import { operationOf, perform } from '../operations.ts'
import { shortLease } from '../short-lease.ts'

export interface IoWriterConfig {
  readonly path: string
  /** Operations to carry out, in this order; those with a key are tried until they succeed. */
  readonly operations: readonly string[]
  readonly end: 'close' | 'kill'
}

const { path, operations, end } = configOf<IoWriterConfig>()
const mostTries = 100

function fail(what: string, error: unknown): void {
  const code = isDaybookError(error) ? error.code : 'none'
  say({ failed: what, code, message: String(error) })
}

async function persistently<Result>(what: string, tries: number, work: () => Promise<Result>) {
  for (let attempt = 1; attempt <= tries; attempt++) {
    try {
      return await work()
    } catch (error) {
      fail(what, error)
      await sleep(2)
    }
  }
  return undefined
}

async function opened(): Promise<Book> {
  const book = await persistently('open', mostTries, () =>
    openBook({
      store: sqlite(path),
      deciders: [account],
      projections: [balances, totals],
      snapshots: { everyEvents: 3 },
      lease: shortLease,
    }),
  )
  if (book === undefined) throw new Error('the book does not open any more')
  return book
}

const book = await opened()
say({ open: true })
for (const id of operations) {
  const operation = operationOf(id)
  say({ begun: id })
  const tries = operation.hasKey ? mostTries : 1
  const answer = await persistently(id, tries, () => perform(book, operation))
  if (answer !== undefined) say({ acknowledged: id, ...answer })
  else if (operation.hasKey) say({ stuck: id })
  const { version = 0 } = (await persistently('read', mostTries, () => book.load(account, '0'))) ?? {}
  say({ read: version })
}
if (end === 'kill') process.kill(process.pid, 'SIGKILL')
await book.close().catch((error: unknown) => fail('close', error))
say({ closed: true })
process.exit(0)
