import type { BankLogs } from './bank-log.ts'
import type { Servers } from './postgres/servers.ts'

export type StoreName = 'sqlite' | 'postgres' | 'memory'

/** One line of the result. */
export interface Figure {
  readonly name: string
  readonly store: StoreName
  readonly value: number
  readonly unit: 'events/s' | 'commands/s' | 'ms' | 'bytes'
  /** The same measure of what it is compared with; null where nothing is compared. */
  readonly baseline: number | null
  /** How many times better than the baseline: value / baseline, for `ms` and `bytes` baseline / value. */
  readonly ratio: number | null
}

/** Where and how long a benchmark runs. */
export interface Setting {
  readonly store: StoreName
  /** An empty folder for this run, removed at its end. */
  readonly folder: string
  /** Rounds of product and baseline in turn; the median counts. */
  readonly rounds: number
  /** How long one side of a round runs, where time and not an amount of work bounds it. */
  readonly sliceMs: number
  /** Tenth of the data, for a quick look. */
  readonly isQuick: boolean
  readonly bankLogs: BankLogs
  readonly servers: Servers
}

/** Thrown by a benchmark that cannot run on this machine; the reason is told. */
export class Skipped extends Error {}

export interface Benchmark {
  readonly name: string
  readonly stores: readonly StoreName[]
  run(setting: Setting): Promise<readonly Figure[]>
}

export const everyStore: readonly StoreName[] = ['sqlite', 'postgres', 'memory']

/** Those that run within the process. */
export const embeddedStores: readonly StoreName[] = ['sqlite', 'memory']
