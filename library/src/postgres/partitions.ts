import { type Runner, type ServerAddress, Session } from './connection.ts'
import { isLockTimeout, isOutOfPartitions } from './errors.ts'
import { type PartitionStatements, partitionStatements } from './partition-statements.ts'
import { begin } from './statements.ts'
import { transact } from './transaction.ts'

/** How long a log is taken for one that needs no partitions, or that cannot be given any, in ms. */
const askAgainMs = 60_000

/** What making partitions ahead needs. */
export interface PartitionsParts {
  readonly schema: string
  readonly address: ServerAddress
  readonly reader: Runner
}

/**
 * Makes partitions ahead of the head while a store appends, in the background and on a connection that is opened for it
 * alone: once in every so many events, and never for a log that is not partitioned.
 */
export class Partitions {
  readonly #parts: PartitionsParts
  readonly #sql: PartitionStatements
  /** The position from which on there is something to do. */
  #due = 0
  #askAtMs = 0
  #running: Promise<void> | undefined

  constructor(parts: PartitionsParts) {
    this.#parts = parts
    this.#sql = partitionStatements(parts.schema)
  }

  /** To be told of every commit; returns at once. */
  reached(position: number): void {
    if (position < this.#due || this.#running !== undefined || performance.now() < this.#askAtMs) return
    this.#running = this.#look(position)
      // An append that finds no partition tries the same, and reports why it cannot be.
      .catch(() => this.#wait())
      .finally(() => {
        this.#running = undefined
      })
  }

  /** Makes partitions up to a position when that is what an append lacked; false when its error is another. */
  async madeFor(error: unknown, position: number | undefined): Promise<boolean> {
    if (position === undefined || !isOutOfPartitions(error)) return false
    await this.#extend(position)
    return true
  }

  /** Resolves when nothing is under way. */
  async settled(): Promise<void> {
    await this.#running
  }

  async #look(position: number): Promise<void> {
    const [row] = await this.#parts.reader.run(this.#sql.readDue)
    const due = row?.[0] ?? null
    if (due === null) return this.#wait()
    this.#due = Number(due)
    if (this.#due <= position) await this.#extend(position)
  }

  async #extend(position: number): Promise<void> {
    const session = new Session(this.#parts.address, 'partitions')
    try {
      const due = await extendPartitions(session, this.#sql, position)
      if (due === undefined) this.#wait()
      else this.#due = due
    } finally {
      await session.close()
    }
  }

  /** A log may be divided while it is open. */
  #wait(): void {
    this.#askAtMs = performance.now() + askAgainMs
  }
}

/** Makes all that lack for a position; returns when the next are due, or undefined for a log without partitions. */
export async function extendPartitions(
  session: Session,
  sql: PartitionStatements,
  position: number,
): Promise<number | undefined> {
  const { timeoutMs, host } = session.address
  const startMs = performance.now()
  for (let before = Number.NEGATIVE_INFINITY; ; ) {
    try {
      const [row] = await transact(session, begin(timeoutMs, true), (transaction) =>
        transaction.run(sql.extend, [position]),
      )
      const due = row?.[0] ?? undefined
      if (due === undefined) return undefined
      // A call makes some; the last one finds nothing more to do, or is asked for more than it may.
      if (Number(due) > position || Number(due) === before) return Number(due)
      before = Number(due)
    } catch (error) {
      if (!isLockTimeout(error) || performance.now() - startMs >= timeoutMs) throw error
      await host.sleep(50 * (0.5 + host.random()))
    }
  }
}
