import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { testServer } from '@daybook/postgres-server/testing'
import type { LogSlice } from '../core/ports/store.ts'
import type { BriefRow } from '../core/row-hash.ts'
import { type Book, openBook } from '../index.ts'
import { postgres } from './index.ts'
import { ReadAhead, type SizedPage } from './read-ahead.ts'

const noBound = Number.MAX_SAFE_INTEGER
const small = { leastBacklog: 200, leastPage: 100 }
const items = [{ types: ['Done'] }]

/** A log in which some positions match, read as a store reads it. */
class Log {
  head: number
  readonly asked: LogSlice[] = []
  underWay = 0
  mostUnderWay = 0
  failure: Error | undefined
  data = ''
  readonly proven: number[] = []
  lost: Error | undefined
  readonly #matches: (position: number) => boolean

  constructor(head: number, matches: (position: number) => boolean = () => true) {
    this.head = head
    this.#matches = matches
  }

  readonly read = async (slice: LogSlice): Promise<SizedPage<BriefRow>> => {
    this.asked.push(slice)
    this.underWay++
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay)
    await new Promise((resolve) => setImmediate(resolve))
    this.underWay--
    if (this.failure !== undefined) throw this.failure
    return this.page(slice)
  }

  readonly prove = async ({ scannedTo }: SizedPage<BriefRow>): Promise<void> => {
    if (this.lost !== undefined) throw this.lost
    this.proven.push(scannedTo)
  }

  page({ afterPosition, toPosition, limit }: LogSlice): SizedPage<BriefRow> {
    const end = Math.min(toPosition, this.head)
    const rows: BriefRow[] = []
    let scannedTo = Math.max(afterPosition, end)
    for (let position = afterPosition + 1; position <= end; position++) {
      if (!this.#matches(position)) continue
      rows.push({
        position,
        stream: 'a',
        version: position,
        type: 'Done',
        schemaVersion: 1,
        data: this.data,
        recordedAtMs: 0,
      })
      if (rows.length < limit) continue
      scannedTo = position
      break
    }
    return { rows, scannedTo, head: this.head, characters: rows.length * this.data.length }
  }

  positions(): readonly number[] {
    return this.page({ afterPosition: 0, toPosition: noBound, items, limit: noBound }).rows.map(
      ({ position }) => position,
    )
  }
}

function slice(afterPosition: number, limit = 100): LogSlice {
  return { afterPosition, toPosition: noBound, items, limit }
}

/** Reads to the head, page by page, as who folds does. */
async function all(ahead: ReadAhead<BriefRow>, log: Log, limit = 100): Promise<readonly number[]> {
  const found: number[] = []
  for (let after = 0; after < log.head; ) {
    const { rows, scannedTo } = await ahead.read(slice(after, limit))
    assert.ok(rows.length <= limit)
    assert.ok(scannedTo > after)
    assert.ok(rows.every(({ position }) => position > after && position <= scannedTo))
    found.push(...rows.map(({ position }) => position))
    after = scannedTo
  }
  return found
}

describe('reading ahead', () => {
  const densities: Readonly<Record<string, (position: number) => boolean>> = {
    all: () => true,
    none: () => false,
    'one in seven': (position) => position % 7 === 0,
    'many, then few, then many': (position) =>
      position < 40_000 || position > 90_000 || position % 1_000 === 0,
  }
  for (const [name, matches] of Object.entries(densities)) {
    it(`misses nothing and doubles nothing where ${name} match`, async () => {
      const log = new Log(123_450, matches)
      const ahead = new ReadAhead(log, small)
      assert.deepEqual(await all(ahead, log), log.positions())
      // Where none match, all is seen with the first page.
      assert.equal(log.mostUnderWay, name === 'none' ? 1 : 17)
    })
  }

  it('looks through about as much as a page takes', async () => {
    const log = new Log(200_000, (position) => position % 50 === 0)
    await all(new ReadAhead(log, small), log)
    // 4,000 rows, of which 100 are a page: the ranges widen from 100 positions to 4,500.
    assert.ok(log.asked.length < 70, `${log.asked.length} were asked for`)
  })

  it('holds little where events are large', async () => {
    const log = new Log(2_000)
    log.data = 'x'.repeat(100_000)
    const ahead = new ReadAhead(log, small)
    assert.equal((await all(ahead, log)).length, 2_000)
    assert.equal(log.mostUnderWay, 2)
  })

  it('reads as ever with little to come, and up to the head', async () => {
    const log = new Log(1_000)
    const ahead = new ReadAhead(log, { leastPage: 100 })
    assert.deepEqual(await all(ahead, log), log.positions())
    assert.deepEqual(
      log.asked.map(({ afterPosition, toPosition }) => [afterPosition, toPosition]),
      Array.from({ length: 10 }, (_, nth) => [nth * 100, noBound]),
    )
    log.head = 1_001
    assert.deepEqual(
      (await ahead.read(slice(1_000))).rows.map(({ position }) => position),
      [1_001],
    )
  })

  it('gives no more than is asked for, and the rest with the next page', async () => {
    const log = new Log(5_000)
    const ahead = new ReadAhead(log, small)
    const found: number[] = []
    for (let [after, turn] = [0, 0]; after < log.head; turn++) {
      const limit = turn % 3 === 2 ? 7 : 100
      const { rows, scannedTo } = await ahead.read(slice(after, limit))
      assert.ok(rows.length <= limit)
      found.push(...rows.map(({ position }) => position))
      after = scannedTo
    }
    assert.deepEqual(found, log.positions())
  })

  it('begins anew where somebody goes on elsewhere, and reads for others as ever', async () => {
    const log = new Log(10_000)
    const ahead = new ReadAhead(log, small)
    for (const after of [0, 100, 200]) await ahead.read(slice(after))
    assert.equal((await ahead.read(slice(100))).rows[0]?.position, 101)
    assert.equal((await ahead.read(slice(5_000))).rows[0]?.position, 5_001)
    const other = { ...slice(300), items: [{ types: ['Other'] }] }
    assert.equal((await ahead.read(other)).rows[0]?.position, 301)
    assert.equal(log.asked.at(-1), other)
    assert.equal((await ahead.read(slice(5_100))).rows[0]?.position, 5_101)
  })

  it('proves a page when it has come, before anybody asks for it', async () => {
    const log = new Log(10_000)
    const ahead = new ReadAhead(log, small)
    await ahead.read(slice(0))
    assert.deepEqual(log.proven, [])
    await ahead.read(slice(100))
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(log.proven, [200, 300])
    log.lost = new Error('the server has crashed')
    let after = 200
    await assert.rejects(async () => {
      for (;;) after = (await ahead.read(slice(after))).scannedTo
    }, log.lost)
    assert.equal(after, log.proven.at(-1))
  })

  it('tells of a failure who asked for the page, and then reads it again', async () => {
    const log = new Log(10_000)
    const ahead = new ReadAhead(log, small)
    await ahead.read(slice(0))
    await ahead.read(slice(100))
    log.failure = new Error('gone')
    let after = 200
    await assert.rejects(async () => {
      for (;;) after = (await ahead.read(slice(after))).scannedTo
    }, log.failure)
    log.failure = undefined
    assert.equal((await ahead.read(slice(after))).rows[0]?.position, after + 1)
  })
})

describe('a long log on a server', () => {
  const count = 25_000

  async function appendTo(book: Book, from: number, to: number): Promise<void> {
    for (let first = from; first <= to; first += 1_000) {
      const events = Array.from({ length: Math.min(1_000, to - first + 1) }, (_, nth) => ({
        type: (first + nth) % 3 === 0 ? 'Third' : 'Other',
        data: { n: first + nth },
      }))
      await book.append('a-1', events)
    }
  }

  it('is read whole by several at a time while it grows, and by who ends early', async () => {
    const server = await testServer()
    try {
      await using book = await openBook({
        store: postgres(server.url(await server.createDatabase()), { migrate: true }),
      })
      await appendTo(book, 1, count)
      const all = async (query?: { readonly types: readonly string[] }): Promise<readonly number[]> => {
        const found: number[] = []
        for await (const { position, data } of book.readLog(query === undefined ? {} : { query })) {
          assert.deepEqual(data, { n: position })
          found.push(position)
        }
        return found
      }
      const reading = [all(), all({ types: ['Third'] }), all()] as const
      const [whole, thirds, again] = await Promise.all([...reading, appendTo(book, count + 1, count + 3_000)])
      for (const found of [whole, again]) {
        assert.ok(found.length >= count)
        assert.ok(found.every((position, nth) => position === nth + 1))
      }
      assert.ok(thirds.length >= Math.floor(count / 3))
      assert.ok(thirds.every((position, nth) => position === 3 * (nth + 1)))
      for (let turn = 0; turn < 3; turn++) {
        let last = 0
        for await (const { position } of book.readLog({ limit: 3_456 })) last = position
        assert.equal(last, 3_456)
        for await (const { position } of book.readLog({ afterPosition: 1_000 })) {
          assert.equal(position, ++last - 2_456)
          if (position === 5_000) break
        }
      }
      const events = await book.readStream('a-1', { fromVersion: 20_000 }).toArray()
      assert.deepEqual(
        events.map(({ version }) => version),
        Array.from({ length: count + 3_000 - 19_999 }, (_, nth) => nth + 20_000),
      )
    } finally {
      await server.dispose()
    }
  })
})
