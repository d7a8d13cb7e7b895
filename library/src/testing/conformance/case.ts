import type { Store } from '../../core/ports/store.ts'
import type { ConformanceContext } from './context.ts'

/** A transaction that the caller has begun on the database of the book, as an application would. */
export interface CallerTransaction {
  /** What `log.within` takes: a connection, usually. */
  readonly transaction: unknown
  commit(): Promise<void>
  rollback(): Promise<void>
}

/** A store to be tested: empty, of its own, and gone after `dispose`. */
export interface StoreUnderTest {
  /** Opening it again, also while it is open, must open the same book. */
  readonly store: Store
  /** Begins a writing transaction on the same database; left out when there is none to join. */
  readonly begin?: () => Promise<CallerTransaction>
  /** Removes everything; called when the case is over and the store is closed. */
  readonly dispose?: () => Promise<void> | void
}

/** Makes a fresh store for each case. */
export type StoreFactory = () => StoreUnderTest | Promise<StoreUnderTest>

/** One promise of a store and how to see whether it is kept: `run` throws when it is not. */
export interface ConformanceCase {
  /** A sentence, unlike that of any other case. */
  readonly name: string
  readonly run: (book: ConformanceContext) => Promise<void>
}

/** Cases about one subject. */
export interface ConformanceGroup {
  readonly name: string
  readonly cases: readonly ConformanceCase[]
}

/** Cases that a store is known not to pass, each with the reason. One that it passes after all is a failure. */
export interface Deviations {
  readonly [caseName: string]: string
}
