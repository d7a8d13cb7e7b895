/** Process managers with a clock of the test's own: days pass in milliseconds. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { type Book, type Diagnostic, openBook, type RecordedEvent, type Store } from 'daybook'
import { memory } from 'daybook/memory'
import { sqlite } from 'daybook/sqlite'
import { type TestHost, testHost } from 'daybook/testing'
import { dyingStore } from './process-managers/dying-store.ts'
import { interest, loan } from './process-managers/loans.ts'
import {
  account,
  expectedHistory,
  historyOf,
  settlementWithin,
  withdrawal,
} from './process-managers/withdrawals.ts'

const dayMs = 86_400_000

/** Lets a little time pass until something is so. */
async function until(host: TestHost, isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await host.advance(10)
}

async function eventsOf(book: Book, stream: string): Promise<readonly RecordedEvent[]> {
  const events: RecordedEvent[] = []
  for await (const event of book.readStream(stream)) events.push(event)
  return events
}

const stores: readonly (readonly [string, (folder: string) => Store])[] = [
  ['memory', () => memory()],
  ['SQLite', (folder) => sqlite(join(folder, 'book.db'))],
]

for (const [name, storeIn] of stores) {
  describe(`process managers on ${name}, with a virtual clock`, { timeout: 60_000 }, () => {
    it('30 days of a loan are played in about a second, each day once', (test) =>
      inFolder(async (folder) => {
        const host = testHost()
        const diagnostics: Diagnostic[] = []
        await using book = await openBook({
          store: storeIn(folder),
          host,
          deciders: [loan],
          processes: [interest],
          onDiagnostic: (diagnostic) => diagnostics.push(diagnostic),
        })
        const startMs = performance.now()
        const cpu = process.cpuUsage()
        const paidOut = await book.execute(loan.payOut('1', { cents: 100_000 }))
        const startedMs = Date.parse(paidOut.events[0]?.recordedAt ?? '')
        const days = async (): Promise<number> => (await book.load<{ days: number }>(loan, '1')).state.days
        await until(host, async () => (await book.processes.state(interest, '1')) !== undefined)
        for (let day = 1; day <= 30; day++) {
          await host.skip(dayMs - ((host.now() - startedMs) % dayMs))
          await until(host, async () => (await days()) === day)
        }
        await until(host, async () => (await book.processes.state(interest, '1'))?.isFinished === true)
        await until(host, async () => (await book.processes.pending()).length === 0)
        const { user, system } = process.cpuUsage(cpu)
        test.diagnostic(`30 days took ${Math.round(performance.now() - startMs)} ms`)
        // On a machine that does nothing else about a second, most of it for the disk.
        assert.ok(user + system < 10_000_000, `30 days took ${user + system} µs of processor time`)

        const added = (await eventsOf(book, 'loan-1')).filter(({ type }) => type === 'InterestAdded')
        assert.deepEqual(
          added.map(({ data }) => (data as { day: number }).day),
          Array.from({ length: 30 }, (_, index) => index + 1),
        )
        const own = await eventsOf(book, 'process:interest-1')
        const reached = own.filter(({ type }) => type === 'process:DeadlineReached')
        assert.deepEqual(
          reached.map(({ data }) => (data as { dueAtMs: number }).dueAtMs),
          reached.map((_, index) => startedMs + (index + 1) * dayMs),
        )
        assert.equal(reached.length, 30)
        assert.deepEqual(
          diagnostics.filter(({ kind }) => kind === 'process-pending').map(({ subject }) => subject),
          ['interest'],
        )
      }))
  })
}

describe('a process manager of which one follower hangs after the k-th write, while the others go on', {
  timeout: 300_000,
}, () => {
  it('has an heir beside it, and both end the same, for every k', async (test) => {
    for (let k = 1; ; k++) {
      const { writes, history } = await hangingAt(k)
      assert.deepEqual(history, expectedHistory, `hangs after write ${k}`)
      if (writes >= k) continue
      assert.ok(k > 15, `it writes only ${writes} times`)
      test.diagnostic(`${writes} writes`)
      return
    }
  })
})

/** Lets a follower of one book hang after the k-th write, for ever, and opens another book beside it. */
async function hangingAt(
  k: number,
): Promise<{ readonly writes: number; readonly history: typeof expectedHistory }> {
  const host = testHost()
  const store = memory()
  const settlement = settlementWithin(dayMs)
  const options = { host, deciders: [account, withdrawal], processes: [settlement] }
  const isDone = async (book: Book): Promise<boolean> => {
    const states = await Promise.all(['a', 'b'].map((key) => book.processes.state(settlement, key)))
    return states.every((state) => state?.isFinished === true && state.waitsFor.length === 0)
  }
  await using other = await openBook({ ...options, store, follow: false })
  let writes = 0
  const never = new Promise<void>(() => undefined)
  const first = await openBook({
    ...options,
    store: dyingStore(store, 'any', () => (++writes === k ? never : undefined)),
  })
  await other.execute(account.open('1', { cents: 500 }))
  await other.execute(withdrawal.request('a', { account: '1', cents: 300 }))
  await until(host, async () => writes >= k || (await other.processes.state(settlement, 'a'))?.version === 3)
  await other.execute(withdrawal.request('b', { account: '1', cents: 600 }))
  for (let day = 0; day < 2 && writes < k; day++) {
    await host.skip(dayMs)
    await host.advance(2_000)
  }
  await using heir = await openBook({ ...options, store })
  for (let round = 0; !(await isDone(heir)); round++) {
    assert.ok(round < 50, `nothing happens after write ${k}`)
    await host.skip(dayMs)
    await host.advance(2_000)
  }
  if (writes < k) await first.close()
  return { writes, history: await historyOf(other) }
}

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'daybook-'))
  try {
    await work(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
