import { errorRegistry } from 'daybook'

/** Exit codes of the command, each with a word and what it means; `--help` prints them. */
export const exitCodes = {
  ok: [0, 'ok', 'ok'],
  error: [
    1,
    'error',
    'an error, a finding of doctor, a difference between copies, or a migration that is pending',
  ],
  usage: [2, 'usage', 'the command line is wrong: nothing was done'],
  refused: [3, 'refused', 'the command was refused by its decider'],
  conflict: [4, 'conflict', 'a conflict: the log is not as expected'],
  store: [5, 'store', 'the store cannot be used'],
  interrupted: [130, 'interrupted', 'interrupted'],
} as const

/** Codes of failures that are the command's own; all others are those of the library's registry. */
const ownCodes = {
  USAGE: 'Run the command with --help to see what it takes.',
  NOT_FOUND: 'Check the name; names are compared letter by letter.',
  FILE_FAILED: 'Check the path, and that the file may be read.',
  FILE_EXISTS: 'Nothing was written. Choose an empty folder, or move the files named away.',
  INTERRUPTED: 'What was acknowledged before is kept.',
  UNEXPECTED: 'This may be a bug of Daybook, or of code in your configuration.',
} as const

/** A code of the command's own. */
export type OwnCode = keyof typeof ownCodes

/** What went wrong, as people and programs are told. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly hint: string
  readonly facts: { readonly [fact: string]: unknown }
}

/** A failure found by the command itself, with a hint that fits the case. */
export class CommandFailure extends Error implements Failure {
  readonly code: OwnCode | keyof typeof errorRegistry
  readonly hint: string
  readonly facts: Failure['facts']

  constructor(failure: Omit<Failure, 'hint' | 'facts'> & Partial<Failure>, cause?: unknown) {
    super(failure.message, cause === undefined ? undefined : { cause })
    this.name = 'CommandFailure'
    this.code = failure.code as CommandFailure['code']
    this.hint = failure.hint ?? hintOf(failure.code)
    this.facts = failure.facts ?? {}
  }
}

/** The failure of a command line that cannot be understood. */
export function usage(message: string, hint?: string): CommandFailure {
  return new CommandFailure({ code: 'USAGE', message, ...(hint === undefined ? {} : { hint }) })
}

/** What a thrown value says; the config may bring its own copy of the library, so its errors are known by their shape. */
export function failureFrom(error: unknown): Failure {
  if (isCoded(error)) {
    const { code, message, hint, facts } = error
    return { code, message, hint: hint ?? hintOf(code), facts: facts ?? {} }
  }
  const isError = error instanceof Error
  const message = isError ? error.message || error.name : String(error)
  const place = isError
    ? /\n\s+at .*?(?:file:\/\/)?(\/[^\s(]+:\d+:\d+)\)?/.exec(error.stack ?? '')?.[1]
    : undefined
  const facts = place === undefined ? {} : { at: place }
  return { code: 'UNEXPECTED', message, hint: ownCodes.UNEXPECTED, facts }
}

/** The exit code that tells a program what kind of failure it was. */
export function exitCodeOf(code: string): number {
  if (code === 'INTERRUPTED') return exitCodes.interrupted[0]
  if (code === 'COMMAND_REFUSED') return exitCodes.refused[0]
  if (usageCodes.has(code)) return exitCodes.usage[0]
  if (conflictCodes.has(code)) return exitCodes.conflict[0]
  return code.startsWith('STORE_') ? exitCodes.store[0] : exitCodes.error[0]
}

const conflictCodes = new Set(['CONCURRENCY_CONFLICT', 'CONDITION_FAILED', 'IDEMPOTENCY_KEY_REUSED'])
const usageCodes = new Set([
  'USAGE',
  'ILLEGAL_ARGUMENT',
  'ILLEGAL_DATA',
  'ILLEGAL_NAME',
  'ILLEGAL_QUERY',
  'COMMAND_UNKNOWN',
  'NOT_REGISTERED',
])

function isCoded(error: unknown): error is Error & Pick<Failure, 'code'> & Partial<Failure> {
  return (
    error instanceof Error &&
    'code' in error &&
    typeof error.code === 'string' &&
    (error.code in errorRegistry || error.code in ownCodes)
  )
}

function hintOf(code: string): string {
  if (code in ownCodes) return ownCodes[code as OwnCode]
  return errorRegistry[code as keyof typeof errorRegistry].hint
}
