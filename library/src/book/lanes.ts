import type { AppendOutcome } from '../core/append-plan.ts'
import { isStoreFault } from '../core/append-queue.ts'
import { isConflict } from '../core/errors.ts'
import {
  type AnyCommand,
  type CommandParts,
  type Decided,
  decide,
  type ExecuteOptions,
  earlierOutcome,
  outcomeOf,
  streamOf,
} from './commands.ts'
import { foldRows, type Loaded } from './loading.ts'
import type { AnyOutcome } from './outcome.ts'
import { backOff } from './retrying.ts'

interface Waiting {
  readonly command: AnyCommand
  readonly options: ExecuteOptions
  readonly resolve: (outcome: AnyOutcome) => void
  readonly reject: (error: unknown) => void
  attempts: number
}

/** Commands decided on one state after the other and appended in one transaction; more wait for the next. */
const mostTogether = 128

/**
 * One lane per stream with commands under way: they queue here, are decided one on the outcome of the other, and go
 * to the log together. So a hot stream costs no conflicts within a process and few between processes.
 */
export class Lanes {
  readonly #parts: CommandParts
  readonly #lanes = new Map<string, Waiting[]>()

  constructor(parts: CommandParts) {
    this.#parts = parts
  }

  execute(command: AnyCommand, options: ExecuteOptions): Promise<AnyOutcome> {
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { command, options, resolve, reject, attempts: 0 }
      const stream = streamOf(command)
      const lane = this.#lanes.get(stream)
      if (lane !== undefined) {
        lane.push(waiting)
        return
      }
      const opened = [waiting]
      this.#lanes.set(stream, opened)
      void this.#run(stream, opened)
    })
  }

  async #run(stream: string, lane: Waiting[]): Promise<void> {
    // Callers that start at the same time meet in the first batch.
    await this.#parts.context.host.nextTurn()
    while (lane.length > 0) {
      const batch = lane.splice(0, mostTogether)
      try {
        const again = await this.#runBatch(stream, batch)
        lane.unshift(...again)
        const attempts = Math.max(0, ...again.map((waiting) => waiting.attempts))
        if (attempts > 0) await backOff(this.#parts.context.host, this.#parts.retries, attempts)
      } catch (error) {
        for (const waiting of batch) waiting.reject(error)
      }
    }
    this.#lanes.delete(stream)
  }

  /** Decides and appends a batch; returns the commands that must be decided again. */
  async #runBatch(stream: string, batch: readonly Waiting[], mustLoad = false): Promise<Waiting[]> {
    const { loader, context } = this.#parts
    const [first] = batch
    if (first === undefined) return []
    const { fold } = first.command.decider
    const kept = mustLoad ? undefined : loader.kept(fold, stream)
    const base = kept ?? (await loader.load(fold, stream))
    // Keys are looked up after the state was read: a state with the first effect in it must not meet the repeat.
    const { fresh, later } = unlikeKeys(await this.#withoutRepeats(batch))
    const steps = this.#decideInTurn(fresh, base)
    // Only an append finds out whether a kept state is the newest; refusals and exceptions must rest on the log.
    if (kept !== undefined && steps.some(({ decided }) => decided.kind !== 'append'))
      return this.#runBatch(stream, [...fresh, ...later], true)
    const requests = steps.flatMap(({ decided }) => (decided.kind === 'append' ? [decided.request] : []))
    let outcomes: readonly AppendOutcome[] = []
    try {
      if (requests.length > 0) outcomes = await context.queue.appendTogether(requests)
    } catch (error) {
      await this.#appendApart(stream, steps, error)
      return later
    }
    if (kept !== undefined && outcomes.some(isLost)) {
      // The chain breaks at its first command, so nothing was appended; that the kept state was old is no lost race.
      loader.noteShared(fold, stream)
      if (outcomes.every((outcome) => outcome.kind === 'refused')) return [...fresh, ...later]
    }
    return [...this.#settle(stream, steps, outcomes, base), ...later]
  }

  /** After a transaction that failed: what one command carries must not fail the others, so each is tried alone. */
  async #appendApart(stream: string, steps: readonly Step[], error: unknown): Promise<void> {
    const isHopeless = steps.length === 1 || isStoreFault(error)
    for (const { waiting } of steps) {
      if (isHopeless) waiting.reject(error)
      else await this.#runAlone(stream, waiting)
    }
  }

  async #runAlone(stream: string, waiting: Waiting): Promise<void> {
    try {
      for (let again = [waiting]; again.length > 0; ) again = await this.#runBatch(stream, again)
    } catch (error) {
      waiting.reject(error)
    }
  }

  /** All keys are looked up at once: one after the other, the last would wait for as many time-outs as there are keys. */
  async #withoutRepeats(batch: readonly Waiting[]): Promise<Waiting[]> {
    const isFresh = await Promise.all(batch.map((waiting) => this.#isFresh(waiting)))
    return batch.filter((_waiting, index) => isFresh[index])
  }

  /** False for a command that is answered: by what it led to before, or by what kept this from being found out. */
  async #isFresh({ command, options, resolve, reject }: Waiting): Promise<boolean> {
    try {
      const earlier = await earlierOutcome(this.#parts, this.#parts.context.store.log, command, options)
      if (earlier === undefined) return true
      resolve(earlier)
    } catch (error) {
      reject(error)
    }
    return false
  }

  #decideInTurn(batch: readonly Waiting[], base: Loaded): Step[] {
    const chain = Symbol('lane')
    let loaded = base
    return batch.map((waiting) => {
      try {
        const decided = decide(this.#parts, waiting.command, waiting.options, loaded)
        if (decided.kind === 'nothing') return { waiting, decided }
        loaded = decided.next
        return { waiting, decided: { ...decided, request: { ...decided.request, chain } } }
      } catch (error) {
        return { waiting, decided: { kind: 'failed', error } }
      }
    })
  }

  /**
   * Answers each command in turn, on what was committed before it; from the first that was not appended on, the rest
   * is decided again, refusals and exceptions included: they were decided on a state that never was.
   */
  #settle(
    stream: string,
    steps: readonly Step[],
    outcomes: readonly AppendOutcome[],
    base: Loaded,
  ): Waiting[] {
    let loaded = base
    let next = 0
    for (const [index, { waiting, decided }] of steps.entries()) {
      const rest = steps.slice(index).map((step) => step.waiting)
      if (decided.kind === 'nothing') waiting.resolve(outcomeOf(loaded, [], decided.refused))
      if (decided.kind === 'failed') waiting.reject(decided.error)
      if (decided.kind !== 'append') continue
      const outcome = outcomes[next++] as AppendOutcome
      if (outcome.kind !== 'appended') {
        if (loaded !== base) this.#keep(stream, waiting, loaded)
        return this.#decideAgain(waiting, outcome, rest)
      }
      try {
        loaded = foldRows(waiting.command.decider.fold, loaded, outcome.rows)
      } catch (error) {
        // In the log, but without a state to answer with: nothing may run a second time.
        for (const { reject } of rest) reject(error)
        return []
      }
      waiting.resolve(outcomeOf(loaded, this.#parts.context.rows.events(outcome.rows)))
    }
    const last = steps.at(-1)
    if (last !== undefined) this.#keep(stream, last.waiting, loaded)
    return []
  }

  #decideAgain(failed: Waiting, outcome: AppendOutcome, rest: readonly Waiting[]): Waiting[] {
    failed.attempts++
    // A repeat was appended by somebody else between our look and our append; looking again finds it.
    if (outcome.kind !== 'refused') return [...rest]
    const isHopeless = !isConflict(outcome.error) || failed.attempts >= this.#parts.retries.maxAttempts
    if (!isHopeless) return [...rest]
    failed.reject(outcome.error)
    return rest.slice(1)
  }

  #keep(stream: string, { command }: Waiting, loaded: Loaded): void {
    const { fold } = command.decider
    this.#parts.loader.keep(fold, stream, loaded)
    this.#parts.snapshotter.consider(fold, stream, loaded)
  }
}

/** Of commands with one key, the first may run now; the others wait for its outcome. */
function unlikeKeys(batch: readonly Waiting[]): {
  readonly fresh: readonly Waiting[]
  readonly later: Waiting[]
} {
  const seen = new Set<string>()
  const later: Waiting[] = []
  const fresh = batch.filter((waiting) => {
    const key = waiting.options.idempotencyKey
    if (key === undefined || !seen.has(key)) {
      if (key !== undefined) seen.add(key)
      return true
    }
    later.push(waiting)
    return false
  })
  return { fresh, later }
}

interface Step {
  readonly waiting: Waiting
  readonly decided: Decided | { readonly kind: 'failed'; readonly error: unknown }
}

function isLost(outcome: AppendOutcome): boolean {
  return outcome.kind === 'refused' && isConflict(outcome.error)
}
