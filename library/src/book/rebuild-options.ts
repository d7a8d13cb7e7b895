import type { ReadModelCopy } from '../core/ports/following.ts'
import type { RebuildProgress } from '../processing/rebuild-progress.ts'

/** How a rebuild runs. */
export interface RebuildOptions {
  /** Most events of the log per second, 1 to 100,000,000; unbounded unless given. */
  readonly eventsPerSecond?: number
  /** Whether the copy serves as soon as it is filled (`auto`), or when `swap` says so. Default: what the projection says. */
  readonly swap?: 'auto' | 'manual'
  /** Ends the rebuild here; a later `start` goes on where it stopped. */
  readonly signal?: AbortSignal
  /** Told after every batch, and twice a second while another process fills the copy. Must not throw. */
  readonly onProgress?: (progress: RebuildProgress) => void
}

/** How a rebuild ended. */
export interface RebuildResult {
  readonly projection: string
  readonly version: number
  readonly generation: number
  /** It serves; it is filled and waits for `swap`; or somebody gave it up. */
  readonly outcome: 'swapped' | 'filled' | 'cancelled'
  /** What of the log it has folded. */
  readonly position: number
  /** Events of the log this call has seen folded, by whomever. */
  readonly events: number
  readonly seconds: number
}

/** What a rebuild would take. */
export interface RebuildEstimate {
  /** Events of the log to look at. */
  readonly events: number
  /** JSON text of their data, from a sample; about. */
  readonly bytes: number
  /** In this thread, from a sample folded now; about. */
  readonly secondsAbout: number
}

/** One copy of a read model, and how far it has come. */
export interface CopyStatus extends ReadModelCopy {
  /** The name of its checkpoint: `balances@2.3`. */
  readonly subscription: string
  readonly position: number
  /** Events of the log after `position`. */
  readonly behind: number
  /** Who keeps it up to date, or fills it; undefined when nobody does. */
  readonly owner: string | undefined
  readonly isPaused: boolean
}

/** The copies of one read model, and the rebuild under way. */
export interface RebuildStatus {
  readonly projection: string
  /** Answers questions. */
  readonly serving: CopyStatus
  /** Served before; `undo` lets it serve again. */
  readonly previous: CopyStatus | undefined
  /** Is being filled, or is filled and waits. */
  readonly next: CopyStatus | undefined
  /** Of a rebuild that this process runs or waits for; undefined when it does neither. */
  readonly progress: RebuildProgress | undefined
}

/** What `swap` and `undo` did. */
export interface SwapResult {
  readonly projection: string
  readonly serving: ReadModelCopy
  readonly previous: ReadModelCopy
  /** What of the log the copy that serves now has folded. */
  readonly position: number
}
