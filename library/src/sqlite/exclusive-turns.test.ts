/** A file has one writer: a process that stood still with a transaction open would hold up all others with it. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, describe, it } from 'node:test'
import { z } from 'zod'
import { nodeHost } from '../host/node-host.ts'
import { defineEvents, openBook, projection } from '../index.ts'
import { sqlite } from './index.ts'

const folder = await mkdtemp(join(tmpdir(), 'daybook-turns-'))
after(() => rm(folder, { recursive: true }))

const events = defineEvents({ Happened: z.object({ n: z.int() }) })
const rounds = 100

/** How often other code of the process finds the file locked: code that goes on with whatever was called, or has ended. */
async function timesLocked(
  path: string,
  calls: (round: number) => readonly Promise<unknown>[],
): Promise<number> {
  const other = new DatabaseSync(path, { timeout: 0 })
  let locked = 0
  const look = async (): Promise<void> => {
    for (let nth = 0; nth < 20; nth++) {
      await Promise.resolve()
      try {
        other.exec('BEGIN IMMEDIATE; ROLLBACK')
      } catch {
        locked++
      }
    }
  }
  try {
    for (let round = 0; round < rounds; round++)
      await Promise.all([...calls(round).map((call) => call.then(look)), look()])
  } finally {
    other.close()
  }
  return locked
}

describe('while a transaction is open, nothing else of the process runs', () => {
  it('be it an append, with an inline read model or without', async () => {
    for (const mode of ['async', 'inline'] as const) {
      const path = join(folder, `${mode}.db`)
      const model = projection('counts', {
        from: events,
        mode,
        key: ({ streamId }) => streamId,
        initial: { count: 0 },
        evolve: { Happened: ({ count }) => ({ count: count + 1 }) },
      })
      await using book = await openBook({ store: sqlite(path), projections: [model], follow: false })
      const append = (n: number) => book.append(`thing-${n % 3}`, events.Happened({ n }))
      const locked = await timesLocked(path, (n) => [append(n), append(n + 1), append(n + 2)])
      assert.equal(locked, 0, mode)
    }
  })

  it('be it what follows the log', async () => {
    const path = join(folder, 'following.db')
    const store = await sqlite(path).open(nodeHost())
    const { following } = store
    const locked = await timesLocked(path, (n) => [
      following.join('group', `owner-${n}`, 1_000),
      following.transaction(async (transaction) => {
        await transaction.remember('subscription', [{ id: `id-${n}`, position: n + 1 }])
        return transaction.seen('subscription', [`id-${n}`])
      }),
      following.join('group', `other-${n}`, 1_000),
    ])
    await store.close()
    assert.equal(locked, 0)
  })
})
