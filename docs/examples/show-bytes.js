/** Prints the bytes that the hashes of the first event in example.db cover, from the stored columns alone. */
import { createHash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'

const row = new DatabaseSync('example.db', { readOnly: true })
  .prepare('SELECT * FROM event WHERE position = 1')
  .get()
const columns = [
  'position',
  'stream',
  'version',
  'type',
  'schema_version',
  'id',
  'data',
  'metadata',
  'tags',
  'recorded_at_ms',
]
const fields = columns.map((column) => Buffer.from(String(row[column])))
const mark = Buffer.from('\0daybook/event/1\n')
const hex = (bytes) => bytes.toString('hex').replace(/(..)(?=.)/g, '$1 ')

/** Bytes in lines of 24, behind a name. */
function print(name, bytes) {
  for (let start = 0; start < bytes.length; start += 24) {
    console.log(`${(start === 0 ? name : '').padEnd(16)} ${hex(bytes.subarray(start, start + 24))}`)
  }
}

const lengths = fields.map(({ length }) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  return bytes
})
print('mark', mark)
for (const [index, column] of columns.entries()) print(`# ${column}`, lengths[index])
for (const [index, column] of columns.entries()) print(column, fields[index])

const leafHash = createHash('sha256')
  .update(Buffer.concat([mark, ...lengths, ...fields]))
  .digest()
const chainHash = createHash('sha256')
  .update(Buffer.concat([Buffer.alloc(32), leafHash]))
  .digest()
console.log(`\nleaf hash        ${leafHash.toString('hex')}`)
console.log(`chain hash       ${chainHash.toString('hex')}`)
