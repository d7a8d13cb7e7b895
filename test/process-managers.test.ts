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
import { interest, loan } from './process-managers/loans.ts'

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

async function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'daybook-'))
  try {
    await work(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
