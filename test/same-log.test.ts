/**
 * The same requests, at the same times and with the same ids, make the same book on every store: rows, leaf hashes and
 * chain hashes are identical to the byte. So a log can move between stores, and a proof made on one holds on another.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, describe, test } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import { openBook } from 'daybook'
import { memory } from 'daybook/memory'
import { postgres } from 'daybook/postgres'
import { sqlite } from 'daybook/sqlite'
import { type TestHost, testHost } from 'daybook/testing'
import fc from 'fast-check'
import { bank } from '../examples/bank/bank.ts'
import { type Booking, bookingsOf } from '../examples/bank/import/bookings.ts'
import { readPkddHistory } from '../examples/bank/pkdd/read-history.ts'
import type { AppendOutcome } from '../library/src/core/append-plan.ts'
import type { OpenStore, Store } from '../library/src/core/ports/store.ts'
import { fieldsOf, hexOf } from '../library/src/testing/conformance/context.ts'
import { countedIds } from '../library/src/testing/test-host.ts'
import { type Attempt, history, requestOf } from './same-log/histories.ts'

const folder = mkdtempSync(join(tmpdir(), 'daybook-'))
const server = await testServer()
const url = server.url(await server.createDatabase())
after(async () => {
  rmSync(folder, { recursive: true })
  await server.dispose()
})

let books = 0

/** An empty store of every kind. */
function emptyStores(): readonly Store[] {
  const name = `book_${++books}`
  return [memory(), sqlite(join(folder, `${name}.db`)), postgres(url, { schema: name, migrate: true })]
}

/** All that a reader or a verifier can see of a log. */
async function everythingOf({ log }: OpenStore): Promise<unknown> {
  const rows: unknown[] = []
  const slice = { toPosition: Number.MAX_SAFE_INTEGER, items: undefined, limit: 500 }
  for (let afterPosition = 0; ; ) {
    const page = await log.readLog({ ...slice, afterPosition })
    const hashes = await log.readHashes(afterPosition, page.rows.length)
    for (const [index, row] of page.rows.entries()) {
      const { leafHash, chainHash } = hashes[index] ?? assert.fail('a row without hashes')
      rows.push({ ...fieldsOf(row), leafHash: hexOf(leafHash), chainHash: hexOf(chainHash) })
    }
    if (page.scannedTo >= page.head) break
    afterPosition = page.scannedTo
  }
  const { position, recordedAtMs, chainHash } = await log.head()
  return { rows, head: { position, recordedAtMs, chainHash: hexOf(chainHash) } }
}

/** An answer without what differs between runs: the stack of an error. */
function answerOf(outcome: AppendOutcome): unknown {
  if (outcome.kind === 'refused') return [outcome.error.code, outcome.error.facts]
  return outcome.kind === 'repeated' ? outcome : { ...outcome, rows: outcome.rows.map(fieldsOf) }
}

/** A machine whose clock and ids begin anew. Making the book first keeps its own id out of those of its events. */
async function hostOf(store: Store): Promise<TestHost> {
  let ids = countedIds()
  const host = testHost({ ids: () => ids() })
  await (await store.open(host)).close()
  ids = countedIds()
  return host
}

/** What a store answers to a history, and what it holds afterwards. */
async function lived(store: Store, batches: readonly (readonly Attempt[])[]): Promise<unknown> {
  const host = await hostOf(store)
  const opened = await store.open(host)
  try {
    const answers: unknown[] = []
    for (const batch of batches) {
      // The clock goes backwards now and then; what is recorded does not.
      host.setNow(host.now() + (batch[0]?.passedMs ?? 0))
      const outcomes = await opened.log.append(batch.map((attempt) => requestOf(attempt, host)))
      answers.push(outcomes.map(answerOf))
    }
    return { answers, holds: await everythingOf(opened) }
  } finally {
    await opened.close()
  }
}

test('a varied history is the same on every store, in its answers, rows and hashes', async (t) => {
  let appended = 0
  let refused = 0
  await fc.assert(
    fc.asyncProperty(history, async (batches) => {
      const [first, ...others] = emptyStores()
      const wanted = (await lived(first ?? memory(), batches)) as { answers: unknown[][] }
      for (const store of others) assert.deepEqual(await lived(store, batches), wanted, store.name)
      const answers = wanted.answers.flat()
      refused += answers.filter(Array.isArray).length
      appended += answers.length
    }),
    { numRuns: 40 },
  )
  t.diagnostic(`${appended} appends, ${refused} of them refused`)
  assert.ok(appended > 100 && refused > 20)
})

const { DAYBOOK_PKDD99: named } = process.env
const directory = named ?? resolve(import.meta.dirname, '../../shared/data/pkdd99')
// A directory that is named must be there; only the usual place may be missing.
const skip =
  named === undefined && !existsSync(directory)
    ? "the PKDD'99 data is not here; set DAYBOOK_PKDD99 to the directory that holds trans.asc.gz and the others"
    : false
const mostBookings = 1_500

/** What a store holds when a book has taken the bookings, one after the other. */
async function booked(store: Store, bookings: readonly Booking[]): Promise<unknown> {
  const host = await hostOf(store)
  {
    await using book = await openBook({ ...bank, store, host, follow: false })
    // How commands under way at once share commits is not the same twice.
    for (const booking of bookings) {
      host.setNow(host.now() + 1)
      const { refused } = await booking.run(book)
      assert.equal(refused, undefined)
    }
    assert.deepEqual(await book.verify(), { events: await book.head() })
  }
  const opened = await store.open(host)
  const everything = await everythingOf(opened)
  await opened.close()
  return everything
}

describe("the real history of PKDD'99", { skip, timeout: 300_000 }, () => {
  test(`its first ${mostBookings} bookings are the same on every store`, async () => {
    const bookings = bookingsOf(await readPkddHistory(directory), 'pkdd99')
    const first = Iterator.from(bookings).take(mostBookings).toArray()
    const logs: unknown[] = []
    for (const store of emptyStores()) logs.push(await booked(store, first))
    const [inMemory, ...others] = logs as { readonly rows: readonly unknown[] }[]
    assert.ok((inMemory?.rows.length ?? 0) >= mostBookings)
    for (const log of others) assert.deepEqual(log, inMemory)
  })
})
