/** The log as it lies in its table, row by row, without the product: for logs that are too long to be held as they are. */
import { DatabaseSync } from 'node:sqlite'
import { Client } from 'pg'
import type { BookAddress } from './address.ts'

export interface RawRow {
  readonly position: number
  readonly id: string
  readonly stream: string
  readonly type: string
  /** JSON text, as `data`. */
  readonly tags: string
  readonly data: string
}

type Cells = readonly unknown[]
const columns = 'position, id, stream, type, tags, data'
const pageRows = 50_000

export async function* rawRows(address: BookAddress): AsyncGenerator<readonly RawRow[]> {
  for await (const page of pagesOf(address)) yield page.map(rawRow)
}

function rawRow([position, id, stream, type, tags, data]: Cells): RawRow {
  return {
    position: Number(position),
    id: String(id),
    stream: String(stream),
    type: String(type),
    tags: String(tags),
    data: String(data),
  }
}

async function* pagesOf(address: BookAddress): AsyncGenerator<readonly Cells[]> {
  if (address.store === 'sqlite') {
    using database = new DatabaseSync(address.path, { timeout: 10_000 })
    const statement = database.prepare(
      `SELECT ${columns} FROM event WHERE position > ? ORDER BY position LIMIT ${pageRows}`,
    )
    statement.setReturnArrays(true)
    yield* paged(async (after) => statement.all(after) as unknown[] as Cells[])
    return
  }
  const client = new Client({ connectionString: address.url })
  await client.connect()
  const types = { getTypeParser: () => (cell: string) => cell }
  const text = `SELECT ${columns} FROM ${address.schema}.event WHERE position > $1 ORDER BY position LIMIT ${pageRows}`
  try {
    yield* paged(
      async (after) => (await client.query({ text, values: [after], rowMode: 'array', types })).rows,
    )
  } finally {
    await client.end()
  }
}

async function* paged(read: (after: number) => Promise<readonly Cells[]>): AsyncGenerator<readonly Cells[]> {
  for (let after = 0; ; ) {
    const page = await read(after)
    if (page.length === 0) return
    yield page
    after = Number(page.at(-1)?.[0])
  }
}
