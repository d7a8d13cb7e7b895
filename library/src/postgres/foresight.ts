import type { AppendPlan, HeldFacts, LogHead } from '../core/append-plan.ts'
import type { AppendRequest } from '../core/append-request.ts'

/** Most streams whose versions are remembered. */
const mostStreams = 10_000

/**
 * What this process knows of the log as it leaves it. The chain hash of its head stands for the whole log up to there:
 * as long as the head is the same, so is the version of every stream, and an append can be planned before the lock is
 * got. Whether it is the same only the server can say, under the lock; see `LogStatements.insertBehind`.
 */
export class Foresight {
  #head: LogHead | undefined
  #isTrusted = false
  readonly #versions = new Map<string, number>()

  /** What is to be found under the lock; undefined when that cannot be told, or not without looking up more. */
  factsFor(requests: readonly AppendRequest[]): HeldFacts | undefined {
    const head = this.#head
    if (head === undefined || head.position === 0 || !this.#isTrusted) return undefined
    const versions = new Map<string, number>()
    for (const { key, conditions, expectations, events } of requests) {
      if (key !== undefined || conditions.length > 0) return undefined
      for (const { stream } of expectations) if (!this.#recall(stream, versions)) return undefined
      for (const { stream, isIdGiven } of events)
        if (isIdGiven || !this.#recall(stream, versions)) return undefined
    }
    return { head, versions, keys: new Map(), ids: new Set(), matches: [] }
  }

  /**
   * Remembers what will be there once what is planned is written.
   *
   * @param streams those whose versions were looked up under the lock, where they were
   */
  learn({ head, versions }: HeldFacts, plan: AppendPlan, streams: readonly string[] = []): void {
    const isSame = this.#head !== undefined && isSameHead(this.#head, head)
    // Somebody else appends as well: they would come between again.
    this.#isTrusted = isSame
    if (!isSame || this.#versions.size > mostStreams) this.#versions.clear()
    for (const stream of streams) this.#versions.set(stream, versions.get(stream) ?? 0)
    for (const { stream, version } of plan.rows) this.#versions.set(stream, version)
    this.#head = plan.head
  }

  /** What was foreseen has not come about, or may not. */
  forget(): void {
    this.#head = undefined
    this.#isTrusted = false
    this.#versions.clear()
  }

  #recall(stream: string, versions: Map<string, number>): boolean {
    const version = this.#versions.get(stream)
    if (version === undefined) return false
    versions.set(stream, version)
    return true
  }
}

/** Whether the log is the same up to two heads: the chain hash stands for all of it. */
export function isSameHead(one: LogHead, other: LogHead): boolean {
  return one.position === other.position && Buffer.compare(one.chainHash, other.chainHash) === 0
}
