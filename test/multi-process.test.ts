/**
 * Several processes append to one SQLite file at the same time. `DAYBOOK_RUNS=20` runs it twenty times;
 * `DAYBOOK_SEED` repeats the choices of a run, though not what the operating system makes of them.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { appendTogether, names } from './processes/together.ts'
import { assertReported } from './processes/verdict.ts'

const runs = Number(process.env.DAYBOOK_RUNS ?? 3)
const firstSeed = Number(process.env.DAYBOOK_SEED ?? Date.now() % 1_000_000)

it(`${names.length} processes append to one file, ${runs} times`, {
  timeout: 60_000 + runs * 20_000,
}, async (test) => {
  for (let run = 0; run < runs; run++) {
    await inFolder(async (path) => {
      const summary = await assertReported(path, await appendTogether(path, firstSeed + run))
      test.diagnostic(`run ${run + 1} of ${runs}, seed ${firstSeed + run}: ${summary}`)
    })
  }
})

it('processes that check nothing are found out', () =>
  inFolder(async (path) => {
    const reports = await appendTogether(path, firstSeed, 'careless')
    await assert.rejects(assertReported(path, reports), assert.AssertionError)
  }))

async function inFolder(work: (path: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'daybook-'))
  try {
    await work(join(folder, 'book.db'))
  } finally {
    rmSync(folder, { recursive: true })
  }
}
