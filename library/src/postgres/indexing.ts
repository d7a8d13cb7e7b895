import type { ReadModelShape } from '../core/ports/read-models.ts'
import { type Runner, runOn, Session } from './connection.ts'
import { openedReadOnly, translated } from './errors.ts'
import { waitForReading } from './partition-statements.ts'
import { readModelStatements } from './read-model-statements.ts'
import { begin, commit } from './statements.ts'

/** What indexing needs. */
export interface IndexingParts {
  readonly schema: string
  readonly reader: Session
  readonly isReadOnly: boolean
}

/**
 * Creates the indexes of a read model that are missing. It takes as long as reading the table does, so it has a
 * connection of its own, and nothing ends the wait for its answer; whoever writes the table waits, within their own
 * time-outs. Throws `STORE_BUSY` when a transaction that has written it stays open for longer than the time-out.
 */
export async function createMissingIndexes(parts: IndexingParts, shape: ReadModelShape): Promise<void> {
  const { schema, reader, isReadOnly } = parts
  const { address } = reader
  if (isReadOnly) throw openedReadOnly(address.name)
  const { createIndexes, readIndexes, lockIndexes } = readModelStatements(schema, shape)
  const missing = async (runner: Runner): Promise<readonly string[]> => {
    const held = new Set((await runner.run(readIndexes)).map(([name]) => name))
    return createIndexes.filter(({ name }) => !held.has(name)).map(({ text }) => text)
  }
  if ((await reader.repeatable(missing)).length === 0) return
  const session = new Session(address, 'indexes')
  try {
    const client = await session.connected()
    const runner: Runner = {
      run: (statement, values) => runOn(client, statement, values, { isPrepared: false }),
    }
    await runner.run(begin(address.timeoutMs, true))
    await runner.run(waitForReading)
    await runner.run(lockIndexes)
    for (const text of await missing(runner)) await runner.run(text)
    await runner.run(commit)
  } catch (error) {
    throw translated(error, address.name)
  } finally {
    await session.close()
  }
}
