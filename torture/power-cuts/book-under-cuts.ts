/** One book on a machine whose power is cut, written and reacted to by several processes, with its ledger. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Child, type Message } from '../child.ts'
import { type FoundLog, unsoundness } from '../found-log.ts'
import { readModelProblems } from '../killing/read-model-problems.ts'
import { Ledger } from '../ledger.ts'
import { operationOf } from '../operations.ts'
import type { KillWriterConfig } from '../processes/kill-writer.ts'
import type { PowerReactorConfig } from '../processes/power-reactor.ts'
import { Random } from '../random.ts'
import { readFoundLogAt } from '../stores/books.ts'
import { type Act, groundless } from './acts.ts'
import type { Machine } from './machine.ts'

/** What a control leaves out: waiting for the disk before an answer, asking before an act. */
export type Omission = 'flush' | 'asking'

/** When it is that a loss would be seen. */
const momentOf = { flush: 'acknowledged', asking: 'acted' } as const

/** Longer than any recovery of so small a database takes on a busy machine. */
const mostWaitMs = 60_000

export class BookUnderCuts {
  cuts = 0
  /** Of them, those that the processes using the database outlived. */
  outlived = 0
  events = 0
  acts: Act[] = []
  readonly #machine: Machine
  readonly #seed: string
  readonly #random: Random
  readonly #omission: Omission | undefined
  readonly #afterPosition: number
  readonly #ledger = new Ledger()
  #round = 0
  #heard: Message[] = []
  readonly #listeners = new Set<() => void>()

  /** @param afterPosition where the log ends, when others have written to it */
  constructor(machine: Machine, seed: string, omission?: Omission, afterPosition = 0) {
    this.#machine = machine
    this.#afterPosition = afterPosition
    this.events = afterPosition
    this.#seed = seed
    this.#random = new Random(seed)
    this.#omission = omission
  }

  get acknowledged(): number {
    return this.#ledger.acknowledged.length
  }

  /**
   * Sets processes to work and cuts the power: where the database has a machine of its own, of that alone a few times,
   * so that they live on with it; at the end of everything. Returns what is then wrong.
   */
  async round(): Promise<string[]> {
    const random = this.#random
    this.#round++
    this.#heard = []
    const count = this.#omission === undefined ? random.pick([1, 2, 2, 3]) : 2
    const writers = Array.from({ length: count }, (_, index) => this.#write(index))
    // Whoever asks makes durable what others wrote: where nobody is to wait for the disk, nobody asks.
    const children = this.#omission === 'flush' ? writers : [...writers, this.#react()]
    await Promise.all(children.map((child) => child.spoke))
    const problems: string[] = []
    const canOutlive = this.#machine.isApart && this.#omission === undefined
    for (let left = canOutlive ? random.integer(0, 2) : 0; left > 0; left--)
      problems.push(...(await this.#cutDatabase(writers)))
    await this.#moment()
    const at = this.#machine.cut()
    this.cuts++
    for (const child of children) child.kill()
    problems.push(...(await Promise.all(children.map(endOf))).flat())
    await this.#machine.restart()
    this.#note(at)
    return [...problems, ...(await this.#verify())]
  }

  #write(index: number): Child {
    const random = this.#random
    const isKeyed = (op: string): boolean => operationOf(op).hasKey
    const doubtful = this.#ledger.doubtful.filter(isKeyed).slice(-20)
    const config: KillWriterConfig = {
      address: this.#machine.slowAddress,
      name: `${this.#seed}.${this.#round}.${index}`,
      again: this.#omission === undefined ? doubtful : [],
      acknowledge: 'after',
      isFlushed: this.#omission !== 'flush',
      callers: this.#omission === undefined ? random.pick([1, 4, 16]) : 16,
    }
    return this.#start('kill-writer', config)
  }

  #react(): Child {
    const config: PowerReactorConfig = {
      address: this.#machine.slowAddress,
      reads: this.#omission === 'asking' ? 'rash' : this.#random.pick(['store', 'book']),
      afterPosition: Math.min(this.events, this.acts.at(-1)?.position ?? this.#afterPosition),
    }
    return this.#start('power-reactor', config)
  }

  #start(program: string, config: object): Child {
    const child: Child = new Child(program, config, (message) => {
      this.#heard.push({ ...message, from: child.process.pid })
      for (const look of this.#listeners) look()
    })
    return child
  }

  /** The power of the database's machine alone: everybody else goes on, and must get on when it is back. */
  async #cutDatabase(writers: readonly Child[]): Promise<string[]> {
    await this.#moment()
    await this.#machine.freeze()
    this.#machine.cut()
    this.cuts++
    this.outlived++
    await this.#machine.restart()
    const restartedAt = Number(process.hrtime.bigint())
    const progress = await Promise.all(writers.map((writer) => this.#hasProgress(writer, restartedAt)))
    return progress.includes(false) ? ['no append was acknowledged after the power was back'] : []
  }

  /**
   * Resolves when the power is to go: at any time, or the moment that somebody was told of an append, or acted on one,
   * which is when most is at stake.
   */
  async #moment(): Promise<void> {
    const random = this.#random
    const since = this.#heard.length
    const field =
      this.#omission === undefined ? random.pick(['acknowledged', 'acted']) : momentOf[this.#omission]
    const count = random.integer(1, 40)
    await this.#hears(
      (messages) => messages.slice(since).filter((message) => field in message).length >= count,
    )
    if (this.#omission === undefined && random.chance(0.5)) await sleep(random.next() * 200)
  }

  /** Resolves with true when the writer was told of another append since, with false when it takes too long. */
  #hasProgress({ process: { pid } }: Child, since: number): Promise<boolean> {
    return this.#hears((messages) =>
      messages.some(
        ({ from, acknowledged, at }) => from === pid && acknowledged !== undefined && Number(at) > since,
      ),
    )
  }

  /** Resolves with true as soon as what was heard is as wished, with false when it takes too long. */
  async #hears(isAsWished: (messages: readonly Message[]) => boolean): Promise<boolean> {
    const waiting = new AbortController()
    const heard = new Promise<boolean>((resolve) => {
      const look = (): void => {
        if (isAsWished(this.#heard)) resolve(true)
      }
      this.#listeners.add(look)
      waiting.signal.addEventListener('abort', () => this.#listeners.delete(look))
      look()
    })
    const late = sleep(mostWaitMs, false, { signal: waiting.signal }).catch(() => false)
    const isHeard = await Promise.race([heard, late])
    waiting.abort()
    return isHeard
  }

  /** Enters into the ledger what was said before the last cut; what was said after it was said by nobody. */
  #note(cutAt: number): void {
    for (const message of this.#heard) {
      if (typeof message.begun === 'string') this.#ledger.begin(message.begun)
      if (Number(message.at) > cutAt) continue
      if (typeof message.refused === 'string') this.#ledger.refuse(message.refused)
      if (typeof message.acknowledged === 'string')
        this.#ledger.acknowledge(message.acknowledged, {
          first: Number(message.first),
          last: Number(message.last),
        })
      if (typeof message.acted === 'string')
        this.acts.push({ id: message.acted, position: Number(message.position) })
    }
  }

  async #verify(): Promise<string[]> {
    const { address } = this.#machine
    const found: FoundLog = await readFoundLogAt(address)
    this.events = found.rows.length
    return [
      ...unsoundness(found),
      ...this.#ledger.problems(found),
      ...groundless(this.acts, found),
      ...(await readModelProblems(address, found)),
    ]
  }
}

async function endOf(child: Child): Promise<string[]> {
  const { signal, code } = await child.ended
  return signal === 'SIGKILL' ? [] : [`a process ended by itself with ${code}: ${child.errors}`]
}
