import { integerWithin } from '../core/limits.ts'
import type { BookContext } from './context.ts'
import type { FollowerStatus } from './follower-status.ts'

/** Something that follows the book has fallen behind by more than it should, or has caught up again. */
export interface LagAlarm {
  readonly follower: FollowerStatus
  /** Age of its oldest event that is not done, in ms. */
  readonly behindMs: number
  /** False when it falls behind, true once it is below the threshold again. */
  readonly isOver: boolean
}

/** When it is too far behind. */
export interface LagSettings {
  /** 1 to 86,400,000; default 2,000. */
  readonly alarmMs: number
  /** Called once when a follower falls behind by more, and once when that is over. */
  readonly onAlarm: (alarm: LagAlarm) => void
}

/** How often to look: who is stuck is named within 5 s. */
const lookMs = 1_000

/** Looks after everything that follows a book, and tells when one is stuck or behind, and when that is over. */
export class Watch {
  readonly #context: BookContext
  readonly #status: () => Promise<readonly FollowerStatus[]>
  readonly #alarmMs: number
  readonly #onAlarm: LagSettings['onAlarm']
  readonly #stop = new AbortController()
  /** What each stuck follower was seen at, and who ran it; told when it is seen so twice. */
  readonly #stuck = new Map<string, { readonly at: string; readonly isTold: boolean }>()
  readonly #lagging = new Set<string>()
  #last: readonly FollowerStatus[] = []
  #running: Promise<void> | undefined

  constructor(
    context: BookContext,
    status: () => Promise<readonly FollowerStatus[]>,
    { alarmMs = 2_000, onAlarm }: Partial<LagSettings> = {},
  ) {
    this.#context = context
    this.#status = status
    this.#alarmMs = integerWithin('lag.alarmMs', alarmMs, 1, 86_400_000)
    this.#onAlarm = onAlarm ?? (() => undefined)
  }

  /** What was seen at the last look. */
  get last(): readonly FollowerStatus[] {
    return this.#last
  }

  start(): void {
    this.#running ??= this.#run()
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.#context.host.sleep(lookMs, signal).catch(() => undefined)
      if (signal.aborted) return
      try {
        this.#last = await this.#status()
        for (const status of this.#last) this.#look(status)
      } catch {
        // A store that cannot be read is told of by everything that works on it.
      }
    }
  }

  #look(status: FollowerStatus): void {
    const subject = status.version === undefined ? status.name : `${status.name}@${status.version}`
    this.#lookIfStuck(`${status.kind} ${subject}`, subject, status)
    this.#lookIfBehind(`${status.kind} ${subject}`, subject, status)
  }

  #lookIfStuck(key: string, subject: string, status: FollowerStatus): void {
    const { kind, isStuck, cause, position, owner } = status
    const seen = this.#stuck.get(key)
    const { report } = this.#context
    if (!isStuck) {
      this.#stuck.delete(key)
      if (seen?.isTold)
        report({ kind: 'follower-recovered', subject, message: `${kind} ${subject} gets on again` })
      return
    }
    const at = `${position} ${owner}`
    const isToTell = seen?.at === at && !seen.isTold
    this.#stuck.set(key, { at, isTold: isToTell || (seen?.at === at && seen.isTold) })
    if (isToTell) report({ kind: 'follower-stuck', subject, message: `${kind} ${subject}: ${cause}` })
  }

  #lookIfBehind(key: string, subject: string, follower: FollowerStatus): void {
    const { kind, behindMs, behind } = follower
    const isBehind = behindMs > this.#alarmMs
    if (isBehind === this.#lagging.has(key)) return
    if (isBehind) this.#lagging.add(key)
    else this.#lagging.delete(key)
    const message = isBehind
      ? `${kind} ${subject} is ${behindMs} ms and ${behind} events behind`
      : `${kind} ${subject} is less than ${this.#alarmMs} ms behind again`
    this.#context.report({ kind: 'follower-lagging', subject, message })
    try {
      this.#onAlarm({ follower, behindMs, isOver: !isBehind })
    } catch {
      // Whoever listens must not break what is listened to.
    }
  }
}
