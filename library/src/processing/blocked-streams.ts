import type { FollowingStore, ParkedStatus } from '../core/ports/following.ts'

/** Names kept in memory; streams past that are looked up one by one. */
const keptStreams = 50_000
const pageEvents = 1_000

/** The streams of one subscription that have events aside, so that later ones wait: known without a look at the store. */
export class BlockedStreams {
  readonly #following: FollowingStore
  readonly #subscription: string
  readonly #statuses: readonly ParkedStatus[]
  readonly #streams = new Set<string>()
  #isPartial = false

  constructor(following: FollowingStore, subscription: string, statuses: readonly ParkedStatus[]) {
    this.#following = following
    this.#subscription = subscription
    this.#statuses = statuses
  }

  /** Reads which there are. Events beyond the checkpoint are not aside: a stopped follower stands at them. */
  async load(checkpoint: number): Promise<void> {
    this.#streams.clear()
    this.#isPartial = false
    for (let afterPosition = 0; ; ) {
      const page = await this.#following.parked({
        subscription: this.#subscription,
        statuses: this.#statuses,
        afterPosition,
        limit: pageEvents,
      })
      for (const { stream, position } of page) if (position <= checkpoint) this.add(stream)
      const last = page.at(-1)
      if (last === undefined || page.length < pageEvents || this.#isPartial) return
      afterPosition = last.position
    }
  }

  has(stream: string): boolean | Promise<boolean> {
    if (this.#streams.has(stream)) return true
    return this.#isPartial ? this.#look(stream) : false
  }

  async #look(stream: string): Promise<boolean> {
    const filter = { subscription: this.#subscription, stream, statuses: this.#statuses, limit: 1 }
    return (await this.#following.parked(filter)).length > 0
  }

  add(stream: string): void {
    if (this.#streams.size < keptStreams) this.#streams.add(stream)
    else this.#isPartial ||= !this.#streams.has(stream)
  }

  delete(stream: string): void {
    this.#streams.delete(stream)
  }
}
