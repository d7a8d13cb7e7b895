import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, describe, it } from 'node:test'
import { openBook, type Verification } from '../index.ts'
import { memory } from '../memory/index.ts'
import { sqlite } from './index.ts'

const folder = await mkdtemp(join(tmpdir(), 'daybook-verify-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** A book of 1,200 events on three streams, changed behind its back, verified. */
async function verifiedAfter(name: string, tampering: string): Promise<Verification> {
  const path = join(folder, `${name}.db`)
  {
    await using book = await openBook({ store: sqlite(path) })
    for (let batch = 0; batch < 4; batch++) {
      for (const stream of ['a-1', 'b-2', 'c-3']) {
        const events = Array.from({ length: 100 }, (_, index) => ({ type: 'Counted', data: { index } }))
        await book.append(stream, events)
      }
    }
  }
  const database = new DatabaseSync(path)
  database.exec('DROP TRIGGER event_no_update; DROP TRIGGER event_no_delete')
  database.exec(tampering)
  database.close()
  await using book = await openBook({ store: sqlite(path, { readOnly: true }) })
  return await book.verify()
}

describe('verifying a log', () => {
  it('finds every event of an untouched log, page by page', async () => {
    assert.deepEqual(await verifiedAfter('untouched', 'SELECT 1'), { events: 1_200 })
  })

  const tamperings: readonly (readonly [string, string, number, RegExp])[] = [
    ['data', `UPDATE event SET data = '{"index":-1}' WHERE position = 777`, 777, /leaf hash/],
    ['actor', `UPDATE event SET metadata = '{}' WHERE position = 1`, 1, /leaf hash/],
    ['leaf-hash', 'UPDATE event SET leaf_hash = zeroblob(32) WHERE position = 500', 500, /leaf hash/],
    ['chain-hash', 'UPDATE event SET chain_hash = zeroblob(32) WHERE position = 501', 501, /chain hash/],
    ['deleted', 'DELETE FROM event WHERE position = 640', 640, /missing: position 641 follows/],
    ['beginning', 'DELETE FROM event WHERE position = 1', 1, /missing: position 2 follows/],
    [
      'versions',
      'UPDATE event SET version = version + 1000 WHERE position = 1200',
      1200,
      /has version 1400 here, not 400/,
    ],
    ['time', 'UPDATE event SET recorded_at_ms = 0 WHERE position = 1000', 1000, /recorded time lies before/],
  ]
  for (const [name, tampering, position, problem] of tamperings) {
    it(`names the first bad position: ${name}`, async () => {
      const { events, firstBad } = await verifiedAfter(name, tampering)
      assert.equal(events, position - 1)
      assert.equal(firstBad?.position, position)
      assert.match(firstBad.problem, problem)
    })
  }

  it('tells how far it is, and ends when it is told to', async () => {
    await using book = await openBook({ store: memory() })
    const events = Array.from({ length: 1_000 }, () => ({ type: 'Counted', data: {} }))
    await book.append('a-1', events)
    await book.append('a-1', events.slice(0, 1))
    const progress: (readonly [number, number])[] = []
    await book.verify({ onProgress: (verified, all) => progress.push([verified, all]) })
    assert.deepEqual(progress, [
      [500, 1_001],
      [1_000, 1_001],
      [1_001, 1_001],
    ])
    await assert.rejects(book.verify({ signal: AbortSignal.abort() }), { name: 'AbortError' })
  })

  it('finds nothing wrong in an empty book', async () => {
    await using book = await openBook({ store: memory() })
    assert.deepEqual(await book.verify(), { events: 0 })
  })
})
