/** What must hold of the store on PostgreSQL besides what every store promises, as cases that broken ones must fail. */
import assert from 'node:assert/strict'
import { Client } from 'pg'
import {
  acceptedRows,
  type ConformanceContext,
  event,
  noBound,
  one,
  range,
  refusal,
} from '../../../library/src/testing/conformance/context.ts'
import type { Sent } from './altered-driver.ts'
import type { PostgresUnderTest } from './fresh-book.ts'

/** A case of PostgreSQL alone; `run` throws when the store does not keep the promise. */
export interface PostgresCase {
  readonly name: string
  readonly run: (book: ConformanceContext, under: PostgresUnderTest) => Promise<void>
}

async function withClient<Result>(url: string, work: (client: Client) => Promise<Result>): Promise<Result> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

const locks: readonly PostgresCase[] = [
  {
    name: 'an append waits for whoever holds the lock of the log, though they write nothing',
    run: (book, { url }) =>
      withClient(url, async (client) => {
        const holder = await book.begin()
        const [refused] = await book.log.within(holder.transaction).append([book.request(one('a-1', 7))])
        refusal(refused, 'CONCURRENCY_CONFLICT')
        let isAnswered = false
        const answer = book.log.append([book.request(one('a-1'))]).then((outcomes) => {
          isAnswered = true
          return outcomes
        })
        const waiting = `SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database =
          (SELECT oid FROM pg_database WHERE datname = current_database())`
        while (!isAnswered && (await client.query(waiting)).rowCount === 0);
        assert.equal(isAnswered, false, 'it did not wait')
        await holder.commit()
        acceptedRows((await answer)[0])
      }),
  },
  {
    name: 'whoever has the lock sees everything before it: no append meets the rows of another',
    run: async (book, { refusals }) => {
      const logs = [book.log, (await book.open()).log, (await book.open()).log]
      const appends = range(1, 60).map((n) => {
        const request = book.request(one(`a-${n % 4}`), { idempotencyKey: `k${n % 40}` })
        return (logs[n % 3] ?? book.log).append([request])
      })
      await Promise.all(appends)
      assert.equal((await book.assertSound()).length, 40)
      // A version that was remembered may be taken; what was looked up behind the lock may not, nor any position or key.
      const known = ['event_index_pkey', '25P02']
      const unknown = refusals.filter((refusal) => !known.includes(refusal))
      assert.deepEqual(unknown, [], 'the server refused a statement')
    },
  },
]

/** Rows of one event each, all but their position, stream, version and id the same. */
function insertion(schema: string, ...cells: readonly (readonly [number, string, number, number])[]): string {
  const zeros = `decode(repeat('00', 32), 'hex')`
  const rows = cells.map(
    ([position, stream, version, id]) =>
      `(${position}, '${stream}', ${version}, 'T', 1, lpad('${id}', 32, '0')::uuid, '{}', '{}', '[]', 0, ${zeros}, ${zeros})`,
  )
  return `INSERT INTO ${schema}.event VALUES ${rows.join(', ')}`
}

const tables: readonly PostgresCase[] = [
  {
    name: 'the database itself refuses gaps, forks, ids used twice, and every change',
    run: (_book, { url, schema }) =>
      withClient(url, async (client) => {
        const refuses = (text: string, code: string): Promise<void> =>
          assert.rejects(client.query(text), { code }, text)
        await refuses(insertion(schema, [2, 'a-1', 1, 1]), '23514')
        await client.query(insertion(schema, [2, 'a-1', 2, 2], [1, 'a-1', 1, 1]))
        await refuses(insertion(schema, [4, 'a-1', 3, 3]), '23514')
        await refuses(insertion(schema, [3, 'a-1', 3, 3], [5, 'a-1', 4, 4]), '23514')
        await refuses(insertion(schema, [2, 'a-1', 3, 3]), '23505')
        await refuses(insertion(schema, [3, 'a-1', 2, 3]), '23505')
        await refuses(insertion(schema, [3, 'a-1', 3, 2]), '23505')
        await refuses(insertion(schema, [0, 'a-1', 3, 3]), '23514')
        for (const table of ['event', 'event_index', 'event_tag', 'idempotency_key']) {
          await refuses(`DELETE FROM ${schema}.${table}`, '23001')
          await refuses(`TRUNCATE ${schema}.${table}`, '23001')
        }
        await refuses(`UPDATE ${schema}.event SET recorded_at_ms = 1`, '23001')
        await refuses(`UPDATE ${schema}.event_index SET version = 7`, '23001')
        await refuses(`DELETE FROM ${schema}.book`, '23001')
        await client.query(insertion(schema, [3, 'b-1', 1, 3]))
      }),
  },
]

/** Of data and metadata, in one page: a bound of 4 MiB is passed by one event at most. */
const mostPageBytes = 5 * 1_048_576

const pages: readonly PostgresCase[] = [
  {
    name: 'a page of large events is bounded in bytes, however it is asked for',
    run: async (book) => {
      const text = 'x'.repeat(1_000_000)
      for (const n of range(1, 12)) await book.add('a-1', event('Large', { n, text }, 'large'))
      const reader = (await book.open()).log
      const all = { fromVersion: 1, toVersion: noBound, types: undefined, limit: 1_000 }
      const found = [
        await book.readLog({}, reader),
        await book.readLog({ items: [{ types: ['Large'] }] }, reader),
        await book.readLog({ items: [{ tags: ['large'] }] }, reader),
        await reader.readStream({ stream: 'a-1', direction: 'forwards', ...all }),
        await reader.readStream({ stream: 'a-1', direction: 'backwards', ...all }),
      ]
      for (const { rows } of found) {
        const bytes = rows.reduce((sum, row) => sum + row.data.length + row.metadata.length, 0)
        assert.ok(bytes > 1_000_000 && bytes < mostPageBytes, `a page of ${bytes} bytes`)
      }
    },
  },
]

/** Non-transactional messages are not flushed by a commit. */
const isFlush = ({ text }: Sent): boolean => text.includes('pg_logical_emit_message(true')

/** How the commit among these was made durable, if it was, before the last of them was answered. */
function flushOf(entries: readonly Sent[]): 'by the commit' | 'after the commit' | undefined {
  const commit = entries.find(({ text, answered }) => text === 'COMMIT' && answered !== undefined)
  if (commit?.answered === undefined) return undefined
  const { connection, answered: committed } = commit
  const isLater = entries.some(
    (entry) => entry.connection === connection && entry.text.includes('synchronous_commit = off'),
  )
  if (!isLater) return 'by the commit'
  // On one connection statements run in the order in which they are sent; between two, nothing is known.
  const flush = entries.find(
    (entry) => isFlush(entry) && entry.sent > (entry.connection === connection ? commit.sent : committed),
  )
  return flush?.answered === undefined ? undefined : 'after the commit'
}

const durability: readonly PostgresCase[] = [
  {
    name: 'an append is answered when it is flushed, by its commit or after it',
    run: async (book, { sent }) => {
      const other = await book.open()
      const ways = new Set<string>()
      for (const [n, log] of [book.log, other.log, book.log, book.log, other.log, book.log].entries()) {
        const before = sent.length
        await book.accept(book.request(one(`a-${n}`)), log)
        const way = flushOf(sent.slice(before))
        assert.ok(way, 'it was answered without a flush')
        ways.add(way)
      }
      assert.ok(ways.has('after the commit'), 'no flush was left for after the commit')
    },
  },
  {
    name: 'whoever asks whether an event of another process is durable waits for a flush',
    run: async (book, { sent }) => {
      const other = await book.open()
      for (const n of range(1, 3)) {
        const [row] = await book.accept(book.request(one(`a-${n}`)), other.log)
        const before = sent.length
        await book.log.whenDurable(n, row?.id)
        const flush = sent.slice(before).find(isFlush)
        assert.ok(flush?.answered !== undefined, 'no flush was answered')
      }
    },
  },
]

const wakeUps: readonly PostgresCase[] = [
  {
    name: 'other openings hear of appends long before they would look themselves',
    run: async (book) => {
      const other = await book.open()
      const startMs = performance.now()
      for (const n of range(1, 6)) {
        const heard = new Promise<void>((resolve) => {
          const stop = book.log.onAppended(() => {
            stop()
            resolve()
          })
        })
        await book.accept(book.request(one(`a-${n}`)), other.log)
        await heard
      }
      // The first looks happen at once; after them, whoever only looks does so once a second.
      const passedMs = performance.now() - startMs
      assert.ok(passedMs < 2_500, `six wake-ups took ${Math.round(passedMs)} ms`)
    },
  },
]

export const postgresCases: readonly PostgresCase[] = [
  ...locks,
  ...tables,
  ...pages,
  ...durability,
  ...wakeUps,
]
