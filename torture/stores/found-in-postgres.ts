/** Reading the tables of a book in PostgreSQL as they lie there, without the product. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from 'pg'
import type { FoundLog, FoundRow } from '../found-log.ts'

type Cells = readonly (string | null)[]

/** Longer than any recovery after a crash takes here. */
const recoveryMs = 60_000

/** Reads a book's schema, when a server that recovers has done so. A schema without tables is an empty log. */
export async function readPostgresLog(url: string, schema: string): Promise<FoundLog> {
  const startMs = performance.now()
  for (;;) {
    try {
      return await readOnce(url, schema)
    } catch (error) {
      if (!isRecovering(error) || performance.now() - startMs > recoveryMs) throw error
    }
    await sleep(20)
  }
}

/** True when the server is not there yet, or has just noticed that one of its processes was killed. */
function isRecovering(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const isBrokenOff = error instanceof Error && error.message.startsWith('Connection terminated')
  return isBrokenOff || ['57P01', '57P02', '57P03', 'ECONNREFUSED', 'ECONNRESET'].includes(code)
}

async function readOnce(url: string, schema: string): Promise<FoundLog> {
  const client = new Client({ connectionString: url })
  client.on('error', () => undefined)
  const table = async (text: string): Promise<Cells[]> => {
    const types = { getTypeParser: () => (cell: string) => cell }
    return (await client.query<(string | null)[]>({ text, rowMode: 'array', types })).rows
  }
  try {
    await client.connect()
    // One state of the log for all of the tables.
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
    const [known] = await table(`SELECT to_regclass('${schema}.event')`)
    if (known?.[0] === null) return { rows: [], keys: [], tagCounts: new Map(), check: 'ok' }
    const rows = await table(`SELECT * FROM ${schema}.event ORDER BY position`)
    const keys = await table(
      `SELECT key, first_position, event_count FROM ${schema}.idempotency_key ORDER BY first_position`,
    )
    const tags = await table(`SELECT position, count(*) FROM ${schema}.event_tag GROUP BY position`)
    return {
      rows: rows.map(foundRow),
      keys: keys.map(([key, firstPosition, eventCount]) => ({
        key: String(key),
        firstPosition: Number(firstPosition),
        eventCount: Number(eventCount),
      })),
      tagCounts: new Map(tags.map(([position, count]) => [Number(position), Number(count)])),
      check: await checkOf(table, schema),
    }
  } finally {
    await client.end().catch(() => undefined)
  }
}

/** `ok` when the narrow index table says of every event what the event says, and of no others. */
async function checkOf(table: (text: string) => Promise<Cells[]>, schema: string): Promise<string> {
  const astray = await table(`
    SELECT coalesce(e.position, i.position)
    FROM ${schema}.event AS e FULL JOIN ${schema}.event_index AS i ON i.position = e.position
    WHERE (e.stream, e.version, e.id) IS DISTINCT FROM (i.stream, i.version, i.id) LIMIT 5`)
  return astray.length === 0 ? 'ok' : `event_index disagrees at position ${astray.flat().join(', ')}`
}

function foundRow(cells: Cells): FoundRow {
  const text = (index: number): string => String(cells[index])
  const number = (index: number): number => Number(cells[index])
  const bytes = (index: number): Uint8Array => Buffer.from(text(index).slice('\\x'.length), 'hex')
  return {
    position: number(0),
    stream: text(1),
    version: number(2),
    type: text(3),
    schemaVersion: number(4),
    id: text(5),
    data: text(6),
    metadata: text(7),
    tags: text(8),
    recordedAtMs: number(9),
    leafHash: bytes(10),
    chainHash: bytes(11),
  }
}
