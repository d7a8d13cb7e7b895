import type { AppendPlan, LogHead } from '../core/append-plan.ts'
import type { AppendRequest } from '../core/append-request.ts'
import type { FoundFacts } from './facts.ts'

/** Most streams whose versions are remembered. */
const mostStreams = 10_000

/** So many batches look everything up after one stream was found to be written by somebody else as well. */
const cautiousBatches = 100

/**
 * What this process knows of the log as it leaves it. The chain hash of its head stands for the whole log up to there:
 * as long as the head is the same, so is the version of every stream, and an append can be planned before the lock is
 * got. Whether it is the same only the server can say, under the lock; see `LogStatements.insertBehind`.
 *
 * Where others append as well, the head is another one each time, but the event that this process left as the head still
 * says that nothing before it has changed. So no stream has fewer events than remembered, and as a rule none has more.
 * One that has more has the next version already, and its primary key refuses a second one.
 */
export class Foresight {
  #head: LogHead | undefined
  #isTrusted = false
  readonly #versions = new Map<string, Remembered>()
  /** Grows when the log went on without this process: of what was remembered before, there may be more by now. */
  #generation = 0
  #cautiousBatches = 0

  /** What is to be found under the lock; undefined when that cannot be told, or not without looking up more. */
  factsFor(requests: readonly AppendRequest[]): FoundFacts | undefined {
    const head = this.#head
    if (head === undefined || head.position === 0 || !this.#isTrusted) return undefined
    const versions = new Map<string, number>()
    for (const { key, conditions, expectations, events } of requests) {
      if (key !== undefined || conditions.length > 0) return undefined
      for (const { stream } of expectations) if (!this.#foresee(stream, versions)) return undefined
      for (const { stream, isIdGiven } of events)
        if (isIdGiven || !this.#foresee(stream, versions)) return undefined
    }
    const nothing = { keys: new Map(), ids: new Set<string>(), matches: [], lookedUp: [], remembered: [] }
    return { head, versions, isContinued: true, ...nothing }
  }

  /** What is remembered of the log, and of the streams that the requests write to; undefined when nothing is. */
  recall(requests: readonly AppendRequest[]): Recollection | undefined {
    const head = this.#head
    if (head === undefined || head.position === 0) return undefined
    const versions = new Map<string, number>()
    if (this.#cautiousBatches > 0) {
      this.#cautiousBatches--
      return { head, versions }
    }
    for (const { events } of requests) {
      for (const { stream } of events) {
        const remembered = this.#versions.get(stream)
        if (remembered !== undefined) versions.set(stream, remembered.version)
      }
    }
    return { head, versions }
  }

  /** Remembers what will be there once what is planned on the facts is written. */
  learn({ head, versions, lookedUp, isContinued }: FoundFacts, plan: AppendPlan): void {
    const isSame = this.#head !== undefined && isSameHead(this.#head, head)
    // Somebody else appends as well: they would come between again.
    this.#isTrusted = isSame
    if (!isSame) this.#generation++
    if (!isContinued || this.#versions.size > mostStreams) this.#versions.clear()
    for (const stream of lookedUp) {
      const version = versions.get(stream) ?? 0
      if ((this.#versions.get(stream)?.version ?? version) !== version) this.beCautious()
      this.#remember(stream, version)
    }
    for (const { stream, version } of plan.rows) this.#remember(stream, version)
    this.#head = plan.head
  }

  /** What was foreseen has not come about, or may not. */
  forget(): void {
    this.#head = undefined
    this.#isTrusted = false
    this.#versions.clear()
  }

  /** Somebody else writes to the same streams. */
  beCautious(): void {
    this.#cautiousBatches = cautiousBatches
  }

  #foresee(stream: string, versions: Map<string, number>): boolean {
    const remembered = this.#versions.get(stream)
    if (remembered === undefined || remembered.generation !== this.#generation) return false
    versions.set(stream, remembered.version)
    return true
  }

  #remember(stream: string, version: number): void {
    this.#versions.set(stream, { version, generation: this.#generation })
  }
}

interface Remembered {
  readonly version: number
  readonly generation: number
}

/** The log as this process left it, and versions that streams had then: they may have more by now, but not fewer. */
export interface Recollection {
  readonly head: LogHead
  readonly versions: ReadonlyMap<string, number>
}

/** Whether the log is the same up to two heads: the chain hash stands for all of it. */
export function isSameHead(one: LogHead, other: LogHead): boolean {
  return one.position === other.position && Buffer.compare(one.chainHash, other.chainHash) === 0
}
