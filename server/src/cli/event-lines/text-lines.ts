import { createReadStream } from 'node:fs'
import { addAbortSignal, type Readable } from 'node:stream'
import { CommandFailure } from '../failures.ts'
import type { Shell } from '../shell.ts'
import { decodedUtf8 } from '../values.ts'

/** A line of a file. */
export interface TextLine {
  /** 1, 2, 3 … */
  readonly number: number
  readonly text: string
}

const newline = 0x0a
/** No event is as large; more without a line break is no file of events. */
const longestLineBytes = 128 * 1_048_576

/**
 * The lines of a file, or of standard input for `-`. Only a line feed ends one: U+2028 and its like may stand inside
 * of JSON. Throws `FILE_FAILED`.
 */
export async function* textLines(file: string, { stdin, signal }: Shell): AsyncGenerator<TextLine> {
  const source: Readable = file === '-' ? stdin : createReadStream(file)
  addAbortSignal(signal, source)
  let number = 0
  let rest: Uint8Array[] = []
  let restBytes = 0
  const lineOf = (bytes: readonly Uint8Array[]): TextLine => {
    number++
    const text = decodedUtf8(Buffer.concat(bytes), `line ${number}`)
    return { number, text: text.endsWith('\r') ? text.slice(0, -1) : text }
  }
  for await (const chunk of opened(source, file)) {
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

async function* opened(source: Readable, file: string): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of source) yield chunk as Uint8Array
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT') throw failed(file, 'it does not exist', error)
    if (code === 'EISDIR') throw failed(file, 'it is a folder', error)
    if (code === 'EACCES') throw failed(file, 'it may not be read', error)
    throw error
  }
}

function failed(file: string, problem: string, cause?: unknown): CommandFailure {
  return new CommandFailure(
    { code: 'FILE_FAILED', message: `${file} cannot be read: ${problem}`, facts: { file } },
    cause,
  )
}
