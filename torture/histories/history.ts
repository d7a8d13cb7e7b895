/** What many clients did to one book and when, as seen from outside, and what the log then holds. */

/** The expected versions a client may give. */
export type Expected = number | 'none' | 'exists' | 'any'

export type Action =
  | { readonly kind: 'append'; readonly stream: string; readonly expected: Expected; readonly count: number }
  | { readonly kind: 'version'; readonly stream: string }
  | { readonly kind: 'head' }

export type Outcome =
  | {
      readonly kind: 'appended'
      /** Of the append's first event; the others follow. */
      readonly version: number
      readonly position: number
    }
  /** Refused, since the stream was at this version. */
  | { readonly kind: 'conflict'; readonly actual: number }
  /** What a read saw: a stream's version, or the head's position. */
  | { readonly kind: 'saw'; readonly value: number }
  /** An error that promises that nothing was written. */
  | { readonly kind: 'nothing' }

/** One call. Times are of the machine's monotonic clock, in ns, the same for all processes. */
export interface Call {
  readonly id: string
  readonly action: Action
  readonly invokedAt: number
  /** Infinite when no answer came: killed, or given up waiting. It may have happened, at any time after. */
  readonly returnedAt: number
  readonly outcome: Outcome | undefined
}

/** A row of the final log, and the call that wrote it. */
export interface Entry {
  readonly position: number
  readonly stream: string
  readonly version: number
  readonly call: string
}

export interface History {
  readonly calls: readonly Call[]
  readonly log: readonly Entry[]
}
