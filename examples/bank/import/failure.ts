/** What stops an import, by a stable code. */
export type ImportFailureCode =
  | 'ARGUMENT_INVALID'
  | 'BOOK_DIFFERS'
  | 'BOOKING_REFUSED'
  | 'CHECK_FAILED'
  | 'INTERRUPTED'

/** The process's exit status: 2 for what was asked wrongly, 130 for Ctrl-C, 1 for the rest. */
const exitStatus = {
  ARGUMENT_INVALID: 2,
  BOOK_DIFFERS: 1,
  BOOKING_REFUSED: 1,
  CHECK_FAILED: 1,
  INTERRUPTED: 130,
} as const satisfies Record<ImportFailureCode, number>

/** An import that cannot go on: what is wrong, and what the person can do. */
export class ImportFailure extends Error {
  readonly code: ImportFailureCode
  readonly hint: string

  constructor(code: ImportFailureCode, message: string, hint: string) {
    super(message)
    this.name = 'ImportFailure'
    this.code = code
    this.hint = hint
  }

  get exitStatus() {
    return exitStatus[this.code]
  }
}
