/** What a process that appended tells its parent. */
export interface Report {
  /** Every event that was acknowledged, as it was acknowledged. */
  readonly acknowledged: {
    readonly position: number
    readonly stream: string
    readonly version: number
    readonly id: string
  }[]
  readonly keys: { readonly key: string; readonly firstPosition: number; readonly isFirst: boolean }[]
  /** Seats that this process took. */
  readonly seats: string[]
  /** Streams that this process was told it began. */
  readonly created: string[]
  /** How often somebody else was first. */
  conflicts: number
}

/** How much each process does of each kind. */
export const countsPerProcess = { any: 30, exact: 30, keys: 15, seats: 15, created: 15, transfers: 15 }
