/** Writes transactions: shared appends, the caller's own committed and rolled back with pauses inside, and refused ones. */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Book, isDaybookError, openBook } from 'daybook'
import { configOf, say } from '../child.ts'
import { eventCountOf, transactionOf } from '../following/imported.ts'
import { Random } from '../random.ts'
import { type BookAddress, storeAt } from '../stores/address.ts'
import { type OwnConnection, ownConnection } from '../stores/own-transaction.ts'

export interface ImportWriterConfig {
  readonly address: BookAddress
  /** Begins the name of every transaction. */
  readonly name: string
  readonly writers: number
  /** The longest pause inside of a transaction, in ms. */
  readonly longestPauseMs: number
  /** How many of the caller's own transactions have a long pause, before the append and, with the lock in hand, after it. */
  readonly longPauses: { readonly before: number; readonly after: number }
}

/** `idle` begins nothing, `burst` pauses nowhere. */
export type Phase = 'steady' | 'idle' | 'burst' | 'stop'

const { address, name, writers, longestPauseMs, longPauses } = configOf<ImportWriterConfig>()
const book = await openBook({ store: storeAt(address) })
let phase: Phase = 'steady'
const phases = new EventTarget()

createInterface({ input: process.stdin }).on('line', (line) => {
  phase = (JSON.parse(line) as { readonly phase: Phase }).phase
  phases.dispatchEvent(new Event('change'))
})

/** One writer: one transaction after the other, until it is told to stop. */
class Writer {
  readonly #name: string
  readonly #random: Random
  readonly #own: OwnConnection

  constructor(writer: string, own: OwnConnection) {
    this.#name = writer
    this.#random = new Random(writer)
    this.#own = own
  }

  async run(): Promise<void> {
    for (let index = 0; phase !== 'stop'; index++) {
      if (phase === 'idle') await once(phases, 'change')
      else await this.#transaction(`${this.#name}.${index}`)
      if (phase === 'steady') await sleep(this.#random.next() * 5)
    }
    await this.#own.close()
  }

  async #transaction(op: string): Promise<void> {
    const part = this.#random.next()
    if (part < 0.075) await this.#refused(op)
    else if (part < 0.15) await this.#ownTransaction(op, 'ROLLBACK')
    else if (part < 0.4) await this.#ownTransaction(op, 'COMMIT')
    else {
      await book.append(transactionOf(op))
      say({ committed: op, events: eventCountOf(transactionOf(op)) })
    }
  }

  async #refused(op: string): Promise<void> {
    const writes = transactionOf(op).map((write) => ({ ...write, expectedVersion: 1_000_000_000 }))
    const appended = await book.append(writes).catch((error: unknown) => {
      if (!isDaybookError(error, 'CONCURRENCY_CONFLICT')) throw error
    })
    if (appended !== undefined) throw new Error(`${op} was accepted at a version that no stream has`)
    say({ rolledBack: op })
  }

  /** Their row and our events, with pauses before and after the append. */
  async #ownTransaction(op: string, how: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    const writes = transactionOf(op)
    await this.#own.begin()
    await this.#own.note(op)
    await this.#pause(longPauses.before)
    await this.#append(writes)
    await this.#pause(longPauses.after)
    await this.#own.end(how)
    say(how === 'COMMIT' ? { committed: op, noted: true, events: eventCountOf(writes) } : { rolledBack: op })
  }

  async #append(writes: Parameters<Book['append']>[0] & object): Promise<void> {
    const { transaction } = this.#own
    // Half of them in two appends, of which the second sees the first.
    const [first, ...rest] = writes
    const parts =
      this.#random.chance(0.5) && first !== undefined && rest.length > 0 ? [[first], rest] : [writes]
    for (const part of parts) await book.append(part, { transaction })
  }

  async #pause(longPause: number): Promise<void> {
    if (phase === 'burst' || phase === 'stop') return
    const mostMs = this.#random.chance(longPause) ? longestPauseMs : 3
    await sleep(this.#random.next() * mostMs)
  }
}

say({ open: true })
await Promise.all(
  Array.from({ length: writers }, async (_, index) => {
    const writer = `${name}.${index}`
    await new Writer(writer, await ownConnection(address, `import ${writer}`)).run()
  }),
)
await book.close()
process.exit()
