// #region all
// Verifies a book with nothing but SQLite and SHA-256: node verify.js bank.db
import { createHash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'

const database = new DatabaseSync(process.argv[2] ?? 'example.db', { readOnly: true })
const sha256 = (...parts) => createHash('sha256').update(Buffer.concat(parts)).digest()
const domain = Buffer.from('\0daybook/event/1\n')
const versions = new Map()
let chainHash = Buffer.alloc(32)
let position = 0
let recordedAtMs = 0

function problemOf(row, leafHash) {
  if (row.position !== position + 1) return 'it is missing'
  if (row.version !== (versions.get(row.stream) ?? 0) + 1) return 'its version does not follow'
  if (row.recorded_at_ms < recordedAtMs) return 'its recorded time lies before that of the event before'
  if (!leafHash.equals(row.leaf_hash)) return 'its fields are not those that were hashed'
  if (!chainHash.equals(row.chain_hash)) return 'it does not follow on the event before'
  return undefined
}

for (const row of database.prepare('SELECT * FROM event ORDER BY position').iterate()) {
  const { stream, version, type, schema_version, id, data, metadata, tags, recorded_at_ms } = row
  const values = [
    row.position,
    stream,
    version,
    type,
    schema_version,
    id,
    data,
    metadata,
    tags,
    recorded_at_ms,
  ]
  const fields = values.map((value) => Buffer.from(String(value)))
  const lengths = Buffer.alloc(4 * fields.length)
  for (const [index, field] of fields.entries()) lengths.writeUInt32BE(field.length, 4 * index)
  const leafHash = sha256(domain, lengths, ...fields)
  chainHash = sha256(chainHash, leafHash)
  const problem = problemOf(row, leafHash)
  if (problem !== undefined) {
    console.log(`position ${position + 1}: ${problem}`)
    process.exit(1)
  }
  position = row.position
  recordedAtMs = recorded_at_ms
  versions.set(stream, version)
}
console.log(`${position} events, chain hash ${chainHash.toString('hex')}`)
// #endregion
