import type { Host } from '../core/ports/host.ts'
import type { Checkpoint, ReadModelStore } from '../core/ports/read-models.ts'
import type { BookIdentity, EventLog } from '../core/ports/store.ts'
import type { ReactionDefinition } from '../core/reaction.ts'
import { RowReader } from '../core/recorded-event.ts'
import type { EventRow } from '../core/row-hash.ts'
import { readDurably } from './durable-page.ts'
import { FollowerStop, type FollowerWork } from './follower.ts'

/** What running a reaction needs. */
export interface ReactingParts {
  readonly definition: ReactionDefinition
  readonly log: EventLog
  readonly models: ReadModelStore
  readonly identity: BookIdentity
  readonly host: Host
  readonly onError: (error: unknown, attempt: number) => void
}

/**
 * Runs one side effect per event, after commit, in order. The checkpoint moves after the effect, so a crash in between
 * runs it again: at least once, with the event's id to tell a repeat by.
 */
export class Reacting implements FollowerWork {
  readonly name: string
  readonly #parts: ReactingParts
  readonly #rows = new RowReader()

  constructor(parts: ReactingParts) {
    this.name = `reaction ${parts.definition.name}`
    this.#parts = parts
  }

  get definition(): ReactionDefinition {
    return this.#parts.definition
  }

  /** Sets where it begins, the first time this book meets the reaction. */
  async prepare(): Promise<void> {
    const { definition, models, log } = this.#parts
    const position = definition.startAt === 'now' ? (await log.head()).position : 0
    await models.prepareSubscription(definition.subscription, this.#checkpointAt(position))
  }

  async checkpoint(): Promise<Checkpoint> {
    const { definition, models } = this.#parts
    return (await models.checkpoint(definition.subscription)) ?? this.#checkpointAt(0)
  }

  async step(signal: AbortSignal): Promise<boolean> {
    const { definition, log } = this.#parts
    let { position } = await this.checkpoint()
    // An effect cannot be taken back, so its cause must not be lost in a crash.
    const page = await readDurably(log, {
      afterPosition: position,
      toPosition: Number.MAX_SAFE_INTEGER,
      items: definition.items,
      limit: 100,
    })
    for (const row of page.rows) {
      if (signal.aborted) return true
      await this.#react(row, signal)
      await this.#moveTo(position, row.position)
      position = row.position
    }
    if (page.scannedTo > position) await this.#moveTo(position, page.scannedTo)
    return page.scannedTo < page.head
  }

  onError(error: unknown, attempt: number): void {
    this.#parts.onError(error, attempt)
  }

  // The last try was told of already.
  onStop(): void {}

  async #react(row: EventRow, signal: AbortSignal): Promise<void> {
    const { definition, host } = this.#parts
    const event = this.#rows.event(row)
    for (let attempt = 1; ; attempt++) {
      try {
        await definition.run(event, { idempotencyKey: event.id, attempt, signal })
        return
      } catch (error) {
        signal.throwIfAborted()
        this.#parts.onError(error, attempt)
        if (attempt >= definition.maxAttempts) throw new FollowerStop(error)
      }
      await host.sleep(Math.min(10_000, 10 * 2 ** attempt), signal)
    }
  }

  async #moveTo(fromPosition: number, position: number): Promise<void> {
    const { definition, models } = this.#parts
    await models.moveCheckpoint(definition.subscription, fromPosition, this.#checkpointAt(position))
  }

  #checkpointAt(position: number): Checkpoint {
    const { identity, host } = this.#parts
    return { position, epoch: identity.epoch, fingerprint: '', updatedAtMs: host.now() }
  }
}
