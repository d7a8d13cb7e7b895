import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { z } from 'zod'
import type { BookIdentity, BriefPage, LogSlice, OpenStore } from '../core/ports/store.ts'
import type { QueryItem } from '../core/query.ts'
import type { BriefRow } from '../core/row-hash.ts'
import { nodeHost } from '../host/node-host.ts'
import { defineEvents, openBook } from '../index.ts'
import { type ConnectionOptions, connect } from './connection.ts'
import { sqlite } from './index.ts'
import { readPacked, unpacked } from './packed-page.ts'
import { ReadAhead } from './read-ahead.ts'

const folder = await mkdtemp(join(tmpdir(), 'daybook-ahead-'))
after(() => rm(folder, { recursive: true }))

const events = defineEvents({ Odd: z.json(), Even: z.json() })
const run = promisify(execFile)
const noBound = Number.MAX_SAFE_INTEGER
/** However slow the machine is. */
const eager = { leastBacklog: 1, idleMs: 60_000 }

function optionsOf(path: string): ConnectionOptions {
  return { path, name: `sqlite:${path}`, durability: 'commit', isReadOnly: false }
}

/** A file with events of two types in two categories, with texts that look like what separates others. */
async function filled(name: string, count: number): Promise<string> {
  const path = join(folder, name)
  await using book = await openBook({ store: sqlite(path) })
  const texts = ['', '\u001e', '","', '\n\r\t', 'ü 漢 🙂', '[1],[2]']
  for (let from = 1; from <= count; from += 500) {
    const ofStream = Array.from({ length: Math.min(500, count - from + 1) }, (_, nth) => {
      const data = { n: from + nth, text: texts[nth % texts.length] ?? '' }
      return { ...(nth % 2 === 0 ? events.Even(data) : events.Odd(data)), tags: [`third-${nth % 3}`] }
    })
    await book.append(`${from % 1_000 === 1 ? 'one' : 'two'}-${from}`, ofStream, { actor: 'ann' })
  }
  return path
}

/** Pages by the thread, or undefined should it read none within a while. */
async function readByThread(ahead: ReadAhead, slice: LogSlice): Promise<BriefPage | undefined> {
  for (let tries = 0; tries < 1_000; tries++) {
    const page = await ahead.read(slice, noBound)
    if (page !== undefined) return page
    await sleep(10)
  }
  return undefined
}

async function throughThread(
  ahead: ReadAhead,
  slice: Omit<LogSlice, 'afterPosition'>,
): Promise<readonly BriefRow[]> {
  const rows: BriefRow[] = []
  for (let afterPosition = 0; ; ) {
    const page = await readByThread(ahead, { ...slice, afterPosition })
    assert.ok(page, 'the thread reads nothing')
    assert.ok(page.rows.length <= slice.limit)
    rows.push(...page.rows)
    if (page.scannedTo >= Math.min(slice.toPosition, page.head)) return rows
    assert.ok(page.scannedTo > afterPosition)
    afterPosition = page.scannedTo
  }
}

/** Without the thread rows come with the text of their data. */
function parsed(row: BriefRow): BriefRow {
  assert.equal(typeof row.data, 'string')
  return { ...row, data: JSON.parse(row.data as string) }
}

async function opened(path: string): Promise<OpenStore> {
  return sqlite(path).open(nodeHost())
}

describe('reading ahead in a thread', () => {
  it('gives what reading without it gives, for every kind of query', async () => {
    const path = await filled('alike.db', 2_200)
    const store = await opened(path)
    const queries: readonly (readonly QueryItem[] | undefined)[] = [
      undefined,
      [{ types: ['Odd'] }],
      [{ categories: ['two'], types: ['Even', 'Odd'] }],
      [{ tags: ['third-1'] }],
      [{ types: ['Missing'] }],
    ]
    for (const items of queries)
      for (const [toPosition, limit] of [
        [noBound, 700],
        [1_001, 1_000],
      ] as const) {
        const expected: BriefRow[] = []
        for (let afterPosition = 0; afterPosition < Math.min(toPosition, 2_200); ) {
          const page = await store.log.readBriefly?.({ afterPosition, toPosition, items, limit: 500 })
          expected.push(...(page?.rows ?? []).map(parsed))
          afterPosition = page?.scannedTo ?? noBound
        }
        const ahead = new ReadAhead(optionsOf(path), store.identity, eager)
        assert.deepEqual(await throughThread(ahead, { items, toPosition, limit }), expected)
        await ahead.close()
      }
    await store.close()
  })

  it('sees what is appended meanwhile', async () => {
    const path = await filled('growing.db', 500)
    await using book = await openBook({ store: sqlite(path) })
    const ahead = new ReadAhead(optionsOf(path), book.identity, eager)
    const slice = { toPosition: noBound, items: undefined, limit: 1_000 }
    assert.equal((await throughThread(ahead, slice)).length, 500)
    await book.append('three-1', events.Odd({ n: 1 }))
    assert.equal((await throughThread(ahead, slice)).at(-1)?.stream, 'three-1')
    await ahead.close()
  })

  it('leaves short backlogs, large events and several items to who asks', async () => {
    const path = await filled('few.db', 500)
    const { identity } = await describedBy(path)
    const ahead = new ReadAhead(optionsOf(path), identity, { leastBacklog: 100 })
    const slice = { afterPosition: 450, toPosition: noBound, items: undefined, limit: 10 }
    assert.equal(await ahead.read(slice, 500), undefined)
    assert.equal(await ahead.read({ ...slice, afterPosition: 0, toPosition: 50 }, 500), undefined)
    await ahead.close()
    const connection = connect(optionsOf(path))
    assert.equal(readPacked(connection, slice)?.head, 500)
    assert.equal(readPacked(connection, { ...slice, limit: 1_000_000 }), undefined)
    assert.equal(readPacked(connection, { ...slice, items: [{ types: ['A'] }, { types: ['B'] }] }), undefined)
    connection.database.close()
  })

  it('reads for one at a time, and gives the last page again', async () => {
    const path = await filled('one.db', 500)
    const { identity } = await describedBy(path)
    const ahead = new ReadAhead(optionsOf(path), identity, eager)
    const slice = { afterPosition: 0, toPosition: noBound, items: undefined, limit: 10 }
    assert.equal((await readByThread(ahead, slice))?.scannedTo, 10)
    assert.equal(await ahead.read({ ...slice, limit: 20 }, 500), undefined)
    for (const [afterPosition, scannedTo] of [
      [10, 20],
      [10, 20],
      [20, 30],
      [200, 210],
    ] as const)
      assert.equal((await ahead.read({ ...slice, afterPosition }, 500))?.scannedTo, scannedTo)
    await ahead.close()
  })

  it('keeps a process going that waits for nothing else', async () => {
    const path = await filled('waiting.db', 500)
    const from = (file: string) => JSON.stringify(new URL(file, import.meta.url).href)
    const script = `
      import { nodeHost } from ${from('../host/node-host.ts')}
      import { sqlite } from ${from('./index.ts')}
      import { ReadAhead } from ${from('./read-ahead.ts')}
      const path = ${JSON.stringify(path)}
      const { identity } = await sqlite(path).open(nodeHost())
      const ahead = new ReadAhead({ path, name: path, durability: 'commit', isReadOnly: true }, identity, { leastBacklog: 1 })
      const slice = { afterPosition: 0, toPosition: 500, items: undefined, limit: 10 }
      for (let read = 0; read < 10; ) {
        const page = await ahead.read({ ...slice, afterPosition: read * 10 }, 500)
        if (page === undefined) await new Promise((next) => setTimeout(next, 10))
        else read++
      }
      console.log('read')`
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script])
    assert.equal(stdout, 'read\n')
  })

  it('is given up where another book lies at the path by now, and when it is closed', async () => {
    const path = await filled('replaced.db', 500)
    const { identity } = await describedBy(path)
    await rename(await filled('other.db', 600), path)
    const ahead = new ReadAhead(optionsOf(path), identity, { leastBacklog: 100 })
    const slice = { afterPosition: 0, toPosition: noBound, items: undefined, limit: 10 }
    for (let tries = 0; tries < 50; tries++) {
      assert.equal(await ahead.read(slice, 500), undefined)
      await sleep(10)
    }
    await ahead.close()
    const closed = new ReadAhead(optionsOf(path), identity, { leastBacklog: 100 })
    await closed.close()
    assert.equal(await closed.read(slice, 500), undefined)
  })

  it('does not answer with columns that do not fit together', () => {
    const page = { scannedTo: 2, head: 2 }
    const columns = ['[1,2]', '["a-1","a-2"]', '[1,1]', '["T","T"]', '[1,1]', '[{},{}]', '[5,5]']
    assert.equal(unpacked({ ...page, columns })?.length, 2)
    assert.equal(unpacked({ ...page, columns: columns.with(5, '[{}]') }), undefined)
    assert.equal(unpacked({ ...page, columns: columns.with(0, '[2,1]') }), undefined)
  })
})

async function describedBy(path: string): Promise<{ readonly identity: BookIdentity }> {
  await using book = await openBook({ store: sqlite(path) })
  return { identity: book.identity }
}
