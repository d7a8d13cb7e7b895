import type { Host } from '../core/ports/host.ts'
import { nodeHost } from '../host/node-host.ts'

/** How a test host begins; everything has a fixed default, so that every run is the same. */
export interface TestHostOptions {
  /** Milliseconds since 1970-01-01 UTC; 2026-01-01T00:00:00Z unless given. */
  readonly now?: number
  /** Makes ids; counted UUIDs of version 7 unless given. */
  readonly ids?: () => string
  /** Start of the random numbers, an integer; 1 unless given. */
  readonly seed?: number
}

/** A machine whose time, ids and chance are the test's. */
export interface TestHost extends Host {
  /** Lets time pass, in ms, and wakes on the way whoever sleeps, each at its own time. */
  advance(timeMs: number): Promise<void>
  /**
   * Lets time pass at once, in ms: who sleeps wakes once, at the end, as after a machine was suspended. For long times:
   * whoever looks every second would look 86,400 times a day.
   */
  skip(timeMs: number): Promise<void>
  /** Sets the clock, forwards or backwards, as an operator would: no time passes and nobody wakes. */
  setNow(nowMs: number): void
  /** How many are asleep. */
  sleepers(): number
}

/** 2026-01-01T00:00:00Z */
const defaultNow = 1_767_225_600_000

/**
 * A host for tests: the clock moves only when told, sleep ends when enough virtual time has passed, ids are counted
 * and random numbers come from a seed. Hashing and `nextTurn` are those of the machine.
 */
export function testHost(options: TestHostOptions = {}): TestHost {
  const time = new VirtualTime(options.now ?? defaultNow)
  const machine = nodeHost({
    now: () => time.nowMs,
    newId: options.ids ?? countedIds(),
    random: seededRandom(options.seed ?? 1),
    sleep: (timeMs, signal) => time.sleep(timeMs, signal),
  })
  return {
    ...machine,
    advance: (timeMs) => time.advance(timeMs, machine.nextTurn),
    skip: (timeMs) => time.skip(timeMs, machine.nextTurn),
    setNow: (nowMs) => {
      time.nowMs = nowMs
    },
    sleepers: () => time.sleeping.size,
  }
}

/** Makes UUIDs of version 7 that count upwards: `00000000-0000-7000-8000-000000000001` and so on. */
export function countedIds(): () => string {
  let count = 0
  return () => {
    count++
    return `00000000-0000-7000-8000-${count.toString(16).padStart(12, '0')}`
  }
}

/** Numbers from 0 (inclusive) to 1 (exclusive), the same for the same seed (mulberry32, by Tommy Ettinger). */
export function seededRandom(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

interface Sleeper {
  readonly untilMs: number
  readonly wake: () => void
}

class VirtualTime {
  nowMs: number
  readonly sleeping = new Set<Sleeper>()
  /** How much time has passed, whatever the clock was set to. */
  #passedMs = 0

  constructor(nowMs: number) {
    this.nowMs = nowMs
  }

  sleep(timeMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const abort = (): void => {
        this.sleeping.delete(sleeper)
        reject(signal?.reason)
      }
      const wake = (): void => {
        this.sleeping.delete(sleeper)
        signal?.removeEventListener('abort', abort)
        resolve()
      }
      const sleeper: Sleeper = { untilMs: this.#passedMs + Math.max(timeMs, 0), wake }
      signal?.addEventListener('abort', abort, { once: true })
      this.sleeping.add(sleeper)
    })
  }

  async advance(timeMs: number, nextTurn: () => Promise<void>): Promise<void> {
    const endMs = this.#passedMs + timeMs
    // Who is about to fall asleep gets the turn to do so before time moves on, and again after each awakening.
    await nextTurn()
    for (let next = this.#next(endMs); next !== undefined; next = this.#next(endMs)) {
      this.#pass(next.untilMs)
      next.wake()
      await nextTurn()
    }
    this.#pass(endMs)
  }

  async skip(timeMs: number, nextTurn: () => Promise<void>): Promise<void> {
    await nextTurn()
    this.#pass(this.#passedMs + timeMs)
    for (const sleeper of this.sleeping) if (sleeper.untilMs <= this.#passedMs) sleeper.wake()
    await nextTurn()
  }

  #pass(toMs: number): void {
    this.nowMs += toMs - this.#passedMs
    this.#passedMs = toMs
  }

  #next(endMs: number): Sleeper | undefined {
    let next: Sleeper | undefined
    for (const sleeper of this.sleeping) {
      if (sleeper.untilMs <= endMs && (next === undefined || sleeper.untilMs < next.untilMs)) next = sleeper
    }
    return next
  }
}
