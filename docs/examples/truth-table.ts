/** Prints which expected version which stream satisfies, by trying each. */
import { type ExpectedVersion, isConflict, openBook } from 'daybook'
import { memory } from 'daybook/memory'

await using book = await openBook({ store: memory() })

const noted = { type: 'Noted', data: {} }
const expectations: readonly ExpectedVersion[] = ['any', 'none', 'exists', 0, 1, 2]

async function isAccepted(expectedVersion: ExpectedVersion, events: number): Promise<boolean> {
  const stream = `table-${expectedVersion}-${events}`
  for (let version = 1; version <= events; version++) await book.append(stream, noted)
  try {
    await book.append(stream, noted, { expectedVersion })
    return true
  } catch (error) {
    if (isConflict(error)) return false
    throw error
  }
}

console.log('expected   stream at 0   at 1       at 2')
for (const expected of expectations) {
  const answers: string[] = []
  for (const events of [0, 1, 2]) answers.push((await isAccepted(expected, events)) ? 'accepted' : 'conflict')
  const [none = '', one = '', two = ''] = answers
  console.log(`${String(expected).padEnd(10)} ${none.padEnd(13)} ${one.padEnd(10)} ${two}`)
}
