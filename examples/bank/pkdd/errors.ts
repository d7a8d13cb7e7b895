/** What can be wrong with the PKDD'99 files. Codes are stable; messages may be reworded. */
export type PkddErrorCode =
  | 'DirectoryMissing'
  | 'FileMissing'
  | 'FileUnreadable'
  | 'NotGzip'
  | 'GzipTruncated'
  | 'GzipCorrupt'
  | 'FileTooLarge'
  | 'WrongHeader'
  | 'BadRow'
  | 'InconsistentData'

/** Where and what, as fields; `problem` is one sentence, `hint` says what the person can do about it. */
export interface PkddErrorFacts {
  readonly code: PkddErrorCode
  readonly path: string
  /** Line of the uncompressed file, 1 is the header. */
  readonly line?: number
  readonly column?: string
  readonly problem: string
  readonly hint: string
  readonly cause?: unknown
}

/** The data cannot be used as it is. The message names file, line, what is wrong and what to do. */
export class PkddError extends Error {
  readonly code: PkddErrorCode
  readonly path: string
  readonly line: number | undefined
  readonly column: string | undefined
  readonly hint: string

  constructor(facts: PkddErrorFacts) {
    const line = facts.line === undefined ? '' : `, line ${facts.line}`
    const column = facts.column === undefined ? '' : `, column ${facts.column}`
    const message = `${facts.path}${line}${column}: ${facts.problem} ${facts.hint}`
    super(message, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.name = 'PkddError'
    this.code = facts.code
    this.path = facts.path
    this.line = facts.line
    this.column = facts.column
    this.hint = facts.hint
  }
}
