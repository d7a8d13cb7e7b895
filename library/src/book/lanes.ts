import type { AppendOutcome } from '../core/append-plan.ts'
import { isStoreFault } from '../core/append-queue.ts'
import { isConflict } from '../core/errors.ts'
import { deepFreeze } from '../core/fold.ts'
import { RowReader } from '../core/recorded-event.ts'
import {
  type AnyCommand,
  type CommandParts,
  type Decided,
  decide,
  type ExecuteOptions,
  earlierOutcome,
  outcomeOf,
  provisionalRows,
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
  readonly #running = new Set<Promise<void>>()

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
      const running = this.#run(stream, opened).finally(() => this.#running.delete(running))
      this.#running.add(running)
    })
  }

  /** Resolves when no command is under way. */
  async drained(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
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
  async #runBatch(stream: string, batch: readonly Waiting[]): Promise<Waiting[]> {
    const { loader, context } = this.#parts
    const [first] = batch
    if (first === undefined) return []
    const base = await loader.load(first.command.decider.fold, stream)
    // Keys are looked up after the state was read: a state with the first effect in it must not meet the repeat.
    const { fresh, later } = unlikeKeys(await this.#withoutRepeats(batch))
    const steps = this.#decideInTurn(fresh, base)
    const requests = steps.flatMap(({ decided }) => (decided.kind === 'append' ? [decided.request] : []))
    try {
      const outcomes = requests.length === 0 ? [] : await context.queue.appendTogether(requests)
      return [...this.#settle(stream, steps, outcomes, base), ...later]
    } catch (error) {
      // What one command carries must not fail the others: each is tried alone.
      if (steps.length === 1 || isStoreFault(error)) throw error
      for (const step of steps) await this.#runAlone(stream, step.waiting)
      return later
    }
  }

  async #runAlone(stream: string, waiting: Waiting): Promise<void> {
    try {
      for (let again = [waiting]; again.length > 0; ) again = await this.#runBatch(stream, again)
    } catch (error) {
      waiting.reject(error)
    }
  }

  async #withoutRepeats(batch: readonly Waiting[]): Promise<Waiting[]> {
    const fresh: Waiting[] = []
    for (const waiting of batch) {
      try {
        const earlier = await earlierOutcome(
          this.#parts,
          this.#parts.context.store.log,
          waiting.command,
          waiting.options,
        )
        if (earlier === undefined) fresh.push(waiting)
        else waiting.resolve(earlier)
      } catch (error) {
        waiting.reject(error)
      }
    }
    return fresh
  }

  #decideInTurn(batch: readonly Waiting[], base: Loaded): Step[] {
    const chain = Symbol('lane')
    const steps: Step[] = []
    let loaded = base
    for (const waiting of batch) {
      try {
        const decided = decide(this.#parts, waiting.command, waiting.options, loaded)
        if (decided.kind === 'nothing') {
          steps.push({ waiting, decided })
          continue
        }
        // Folded before it is appended: an event that evolve cannot take must not get into the log.
        const rows = provisionalRows(decided.request, loaded, this.#parts.context.host.now())
        loaded = foldRows(waiting.command.decider.fold, loaded, rows)
        deepFreeze(loaded.state)
        steps.push({ waiting, decided: { ...decided, request: { ...decided.request, chain } } })
      } catch (error) {
        waiting.reject(error)
      }
    }
    return steps
  }

  /** Answers each command in turn; from the first that was not appended on, the rest is decided again. */
  #settle(
    stream: string,
    steps: readonly Step[],
    outcomes: readonly AppendOutcome[],
    base: Loaded,
  ): Waiting[] {
    let loaded = base
    let next = 0
    for (const [index, { waiting, decided }] of steps.entries()) {
      if (decided.kind === 'nothing') {
        waiting.resolve(decided.outcome)
        continue
      }
      const outcome = outcomes[next++] as AppendOutcome
      if (outcome.kind !== 'appended') {
        this.#keep(stream, waiting, loaded)
        return this.#decideAgain(
          waiting,
          outcome,
          steps.slice(index).map((step) => step.waiting),
        )
      }
      loaded = foldRows(waiting.command.decider.fold, loaded, outcome.rows)
      waiting.resolve(outcomeOf(loaded, new RowReader().events(outcome.rows)))
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
  readonly decided: Decided
}
