import { accessSync, constants, createReadStream, statSync } from 'node:fs'
import { addAbortSignal, type Readable } from 'node:stream'
import { CommandFailure } from '../failures.ts'
import type { Shell } from '../shell.ts'

/** A line of a file. */
export interface FileLine {
  /** 1, 2, 3 … */
  readonly number: number
  /** Without its line feed. */
  readonly bytes: Uint8Array
}

const newline = 0x0a
/** No event is as large; more without a line break is no file of events. */
const longestLineBytes = 128 * 1_048_576

/**
 * The lines of a file, or of standard input for `-`. Only a line feed ends one: U+2028 and its like may stand inside
 * of JSON.
 */
export async function* fileLines(file: string, { stdin, signal }: Shell): AsyncGenerator<FileLine> {
  const source: Readable = file === '-' ? stdin : createReadStream(file)
  addAbortSignal(signal, source)
  let number = 0
  let rest: Uint8Array[] = []
  let restBytes = 0
  const lineOf = (pieces: readonly Uint8Array[]): FileLine => ({
    number: ++number,
    bytes: Buffer.concat(pieces),
  })
  for await (const piece of source) {
    const chunk = piece as Uint8Array
    let start = 0
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      yield lineOf([...rest, chunk.subarray(start, end)])
      rest = []
      restBytes = 0
      start = end + 1
    }
    rest.push(chunk.subarray(start))
    restBytes += chunk.length - start
    if (restBytes > longestLineBytes) throw failed(file, `line ${number + 1} has no end`)
  }
  if (restBytes > 0) yield lineOf(rest)
}

/** Throws `FILE_FAILED` where a file cannot be read, before anything is done for it. */
export function requireFile(file: string): void {
  if (file === '-') return
  const stats = statSync(file, { throwIfNoEntry: false })
  if (stats === undefined) throw failed(file, 'it does not exist')
  if (stats.isDirectory()) throw failed(file, 'it is a folder')
  try {
    accessSync(file, constants.R_OK)
  } catch (error) {
    throw failed(file, 'it may not be read', error)
  }
}

function failed(file: string, problem: string, cause?: unknown): CommandFailure {
  return new CommandFailure(
    { code: 'FILE_FAILED', message: `${file} cannot be read: ${problem}`, facts: { file } },
    cause,
  )
}
