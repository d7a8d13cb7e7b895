import { Client, type Connection, type Submittable } from 'pg'
import { centsOf, type Sum } from '../cases/reading.ts'

const columns = 'position, data, metadata, stream, version, type, schema_version, id, tags, recorded_at_ms'
const pageRows = 1_000

/** Pages of 1,000 rows as arrays of texts, which is the fastest way that `pg` has, data and metadata parsed. */
export async function rowsFromServer(address: string): Promise<Sum> {
  const client = new Client({ connectionString: address, types: { getTypeParser: () => asText } })
  await client.connect()
  const text = `SELECT ${columns} FROM daybook.event WHERE position > $1 ORDER BY position LIMIT ${pageRows}`
  let [events, cents, after] = [0, 0, '0']
  for (;;) {
    const query = { name: 'page', text, values: [after], rowMode: 'array' } as const
    const { rows } = await client.query<string[]>(query)
    for (const [position, data, metadata] of rows as [string, string, string][]) {
      cents += centsOf({ data: JSON.parse(data), metadata: JSON.parse(metadata) })
      after = position
    }
    events += rows.length
    if (rows.length < pageRows) break
  }
  await client.end()
  return { events, cents }
}

function asText(text: string): string {
  return text
}

/** The log in one binary COPY, from which data and metadata are taken and parsed, and nothing else. */
export async function copyFromServer(address: string): Promise<Sum> {
  const client = new Client({ connectionString: address })
  await client.connect()
  let [events, cents] = [0, 0]
  await new Promise<void>((resolve, reject) => {
    const text = `COPY (SELECT ${columns} FROM daybook.event ORDER BY position) TO STDOUT (FORMAT binary)`
    const onRow = (row: Buffer): void => {
      const data = fieldOf(row, 1)
      if (data === undefined) return
      events++
      cents += centsOf({ data: JSON.parse(data), metadata: JSON.parse(fieldOf(row, 2) ?? '') })
    }
    client.query(new CopyOut(text, onRow, resolve, reject))
  })
  await client.end()
  return { events, cents }
}

const copySignature = 'PGCOPY'

/** A field of a row of a binary COPY: the count of fields in 2 bytes, then each with its length in 4 before it. */
function fieldOf(row: Buffer, index: number): string | undefined {
  // The first message begins with a header of 19 bytes, and may hold the first row as well.
  const start = row.toString('latin1', 0, copySignature.length) === copySignature ? 19 : 0
  if (row.length < start + 6 || row.readInt16BE(start) < 0) return undefined
  let offset = start + 2
  for (let field = 0; field < index; field++) offset += 4 + row.readInt32BE(offset)
  return row.toString('utf8', offset + 4, offset + 4 + row.readInt32BE(offset))
}

/** A COPY as `pg` takes queries of others' making: it calls these methods when messages of the server arrive. */
class CopyOut implements Submittable {
  readonly #text: string
  readonly #onRow: (row: Buffer) => void
  readonly #resolve: () => void
  readonly #reject: (error: Error) => void

  constructor(
    text: string,
    onRow: (row: Buffer) => void,
    resolve: () => void,
    reject: (error: Error) => void,
  ) {
    this.#text = text
    this.#onRow = onRow
    this.#resolve = resolve
    this.#reject = reject
  }

  submit(connection: Connection): void {
    connection.query(this.#text)
  }

  handleCopyData({ chunk }: { readonly chunk: Buffer }): void {
    this.#onRow(chunk)
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.#resolve()
  }

  handleError(error: Error): void {
    this.#reject(error)
  }
}
