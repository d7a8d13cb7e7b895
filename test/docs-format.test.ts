/** The documented format: its worked example is what is stored, and a stranger's verifier sees what was changed. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, it } from 'node:test'
import { type EventRow, genesisHash, RowHasher } from 'daybook/store'
import { codeBlocks, readText, Stage } from '../docs/code-blocks.ts'

let stage: Stage

before(() => {
  stage = new Stage()
  stage.run('node hashed-book.ts')
})
after(() => stage[Symbol.dispose]())

/** Opens a copy of the example's book with its triggers taken off, as somebody who owns the file could. */
function tampered(change: string): string {
  const name = `tampered-${createHash('sha256').update(change).digest('hex').slice(0, 8)}.db`
  stage.run(`cp example.db ${name}`)
  using database = new DatabaseSync(join(stage.folder, name))
  const triggers = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").all()
  for (const { name: trigger } of triggers) database.exec(`DROP TRIGGER ${String(trigger)}`)
  database.exec(change)
  return name
}

/** The first event of the example as it is stored. */
function firstRow(): EventRow & { readonly leafHash: unknown; readonly chainHash: unknown } {
  using database = new DatabaseSync(join(stage.folder, 'example.db'), { readOnly: true })
  const row = database.prepare('SELECT * FROM event WHERE position = 1').get() ?? {}
  return {
    position: Number(row.position),
    stream: String(row.stream),
    version: Number(row.version),
    type: String(row.type),
    schemaVersion: Number(row.schema_version),
    id: String(row.id),
    data: String(row.data),
    metadata: String(row.metadata),
    tags: String(row.tags),
    recordedAtMs: Number(row.recorded_at_ms),
    leafHash: row.leaf_hash,
    chainHash: row.chain_hash,
  }
}

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()
const hex = (bytes: unknown): string => {
  assert.ok(bytes instanceof Uint8Array)
  return Buffer.from(bytes).toString('hex')
}

describe('the worked example in row-and-hash-format.md', () => {
  const shown = codeBlocks(readText('docs/reference/row-and-hash-format.md')).find(({ body }) =>
    body.startsWith('mark '),
  )
  const text = shown?.body ?? ''

  it('shows the bytes that RowHasher covers', () => {
    const [bytes = ''] = text.split('\n\n')
    const lines = bytes.split('\n').map((line) => /^.{16} ((?:[0-9a-f]{2} ?)+)$/.exec(line)?.[1] ?? '')
    assert.equal(lines.join('').replaceAll(' ', ''), hex(new RowHasher(sha256).leafInput(firstRow())))
  })

  it('shows the hashes that are stored', () => {
    const row = firstRow()
    const { leafHash, chainHash } = new RowHasher(sha256).hash(row, genesisHash)
    assert.deepEqual([hex(leafHash), hex(chainHash)], [hex(row.leafHash), hex(row.chainHash)])
    assert.match(text, new RegExp(`^leaf hash +${hex(leafHash)}$`, 'm'))
    assert.match(text, new RegExp(`^chain hash +${hex(chainHash)}$`, 'm'))
  })
})

describe("a stranger's verifier", () => {
  it('accepts the books that the examples write', () => {
    stage.run('node quickstart.ts\nnode course-seats.ts\nnode transfer.ts\nnode read-models.ts')
    for (const name of ['example.db', 'bank.db', 'transfers.db', 'read-models.db']) {
      assert.match(stage.run(`node verify.js ${name}`), /^[1-9]\d* events, chain hash [0-9a-f]{64}\n$/, name)
    }
  })

  const changes: readonly (readonly [change: string, position: number])[] = [
    [`UPDATE event SET data = '{"cents":20000}' WHERE position = 2`, 2],
    [`UPDATE event SET data = '{"owner": "Zoë"}' WHERE position = 1`, 1],
    [`UPDATE event SET metadata = replace(metadata, 'teller-7', 'teller-8') WHERE position = 2`, 2],
    [`UPDATE event SET tags = '[]' WHERE position = 1`, 1],
    [`UPDATE event SET recorded_at_ms = recorded_at_ms - 1 WHERE position = 2`, 2],
    [`UPDATE event SET schema_version = 2 WHERE position = 1`, 1],
    [`UPDATE event SET chain_hash = zeroblob(32) WHERE position = 1`, 1],
    ['DELETE FROM event WHERE position = 1', 1],
    ['UPDATE event SET version = 3 WHERE position = 2', 2],
  ]
  for (const [change, position] of changes) {
    it(`names position ${position} after: ${change}`, () => {
      const printed = stage.run(`node verify.js ${tampered(change)}`, 1)
      assert.match(printed, new RegExp(`^position ${position}: `))
    })
  }

  it('does not see that the end was cut off, as the page says', () => {
    const name = tampered('DELETE FROM event WHERE position = 2')
    assert.match(stage.run(`node verify.js ${name}`), /^1 events/)
  })
})
