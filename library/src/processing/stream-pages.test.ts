import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { StreamPage, StreamSlice } from '../core/ports/store.ts'
import type { EventRow } from '../core/row-hash.ts'
import { streamPages } from './stream-pages.ts'

const noBound = Number.MAX_SAFE_INTEGER

function row(version: number): EventRow {
  return {
    position: version * 10,
    stream: 'a-1',
    version,
    type: 'Done',
    schemaVersion: 1,
    id: `id ${version}`,
    data: '{}',
    metadata: '{}',
    tags: '[]',
    recordedAtMs: 0,
  }
}

/** A stream, read as a store reads it: no page holds more than some rows, whatever is asked for. */
class Stream {
  length: number
  readonly asked: StreamSlice[] = []
  underWay = 0
  mostUnderWay = 0
  failure: Error | undefined
  readonly proven: unknown[] = []
  lost: Error | undefined
  readonly #mostRows: number

  constructor(length: number, mostRows: number = noBound) {
    this.length = length
    this.#mostRows = mostRows
  }

  readonly readStream = async (slice: StreamSlice): Promise<StreamPage> => {
    this.asked.push(slice)
    this.underWay++
    this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay)
    await new Promise((resolve) => setImmediate(resolve))
    this.underWay--
    if (this.failure !== undefined) throw this.failure
    const most = Math.min(slice.limit, this.#mostRows)
    const end = Math.min(slice.toVersion, this.length)
    const count = Math.max(0, Math.min(most, end - slice.fromVersion + 1))
    const rows = Array.from({ length: count }, (_, nth) => row(slice.fromVersion + nth))
    return { rows, isEnd: slice.fromVersion + count > end }
  }

  readonly whenDurable = async (position: number, proof?: unknown): Promise<void> => {
    if (this.lost !== undefined) throw this.lost
    this.proven.push([position, proof])
  }

  pages(fromVersion = 1, toVersion = noBound): ReturnType<typeof streamPages> {
    return streamPages(this, 'a-1', fromVersion, toVersion)
  }
}

async function versions(pages: ReturnType<typeof streamPages>): Promise<number[]> {
  const found: number[] = []
  for await (const rows of pages) found.push(...rows.map(({ version }) => version))
  return found
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, nth) => from + nth)
}

describe('the pages of a stream', () => {
  for (const length of [0, 1, 127, 128, 129, 1_127, 1_128, 1_129, 2_128, 2_129, 9_999]) {
    it(`hold each of ${length} events once, in order`, async () => {
      const slices = [
        [1, noBound],
        [1, length],
        [1, length - 1],
        [50, 1_200],
        [length, noBound],
        [length + 1, noBound],
      ] as const
      for (const mostRows of [noBound, 700, 7])
        for (const [from, to] of slices) {
          if (from < 1) continue
          const found = await versions(new Stream(length, mostRows).pages(from, to))
          assert.deepEqual(found, range(from, Math.min(to, length)), `${mostRows} rows, ${from} to ${to}`)
        }
    })
  }

  it('are asked for once where the first holds all', async () => {
    const stream = new Stream(127)
    assert.equal((await versions(stream.pages())).length, 127)
    assert.deepEqual(
      stream.asked.map(({ limit }) => limit),
      [128],
    )
  })

  it('are read ahead, two at a time', async () => {
    const stream = new Stream(10_000)
    assert.equal((await versions(stream.pages())).length, 10_000)
    assert.equal(stream.mostUnderWay, 2)
    // The first, ten that have events, and one behind the end.
    assert.equal(stream.asked.length, 12)
  })

  it('end where the stream ended, however it grows meanwhile', async () => {
    const stream = new Stream(1_050)
    const pages = stream.pages()
    const found = (await pages.next()).value?.map(({ version }) => version) ?? []
    assert.equal(stream.underWay, 2)
    stream.length = 5_000
    const rest = await versions(pages)
    assert.deepEqual([...found, ...rest], range(1, found.length + rest.length))
    assert.ok(found.length + rest.length >= 1_050)
  })

  it('are proven when they have come, before anybody asks for them', async () => {
    const stream = new Stream(10_000)
    const pages = stream.pages()
    await pages.next()
    assert.equal(stream.underWay, 2)
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(stream.proven, [
      [1_280, 'id 128'],
      [11_280, 'id 1128'],
      [21_280, 'id 2128'],
    ])
    stream.lost = new Error('the server has crashed')
    await pages.next()
    await pages.next()
    await assert.rejects(pages.next(), stream.lost)
  })

  it('that fail are told of once they are asked for', async () => {
    const stream = new Stream(10_000)
    const pages = stream.pages()
    await pages.next()
    stream.failure = new Error('gone')
    await assert.rejects(versions(pages), stream.failure)
    // Nobody is told of the others that were under way.
    await new Promise((resolve) => setImmediate(resolve))
  })
})
