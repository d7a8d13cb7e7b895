import { statSync } from 'node:fs'
import type { Book, BookAppendOptions, BookOptions } from 'daybook'
import { CommandFailure, failureFrom } from '../failures.ts'
import { Progress } from '../progress.ts'
import type { Tools } from '../session.ts'
import { counted, countText } from '../text.ts'
import { appendEach, type BadLine, checkedBatch } from './batch-checker.ts'
import { type EventLine, eventLine } from './event-line.ts'
import { type FileLine, fileLines } from './file-lines.ts'

/** What to append, where, and what goes with every line that does not say otherwise. */
export interface LinesToAppend {
  readonly book: Book
  readonly defined: BookOptions
  readonly file: string
  /** Lines before this one are left out. */
  readonly fromLine: number
  readonly write: BookAppendOptions
}

// Below the bounds of one transaction of the library, so that a batch shares one.
const batchLines = 500
const batchBytes = 2 * 1_048_576

/** Appends the events of a file in its order, in bounded batches, with progress on a terminal. */
export async function appendLines(tools: Tools, work: LinesToAppend): Promise<void> {
  const { shell, output, signal } = tools
  const { file, fromLine } = work
  const appender = new LineAppender(work)
  const fileBytes = file === '-' ? undefined : statSync(file, { throwIfNoEntry: false })?.size
  await using progress = new Progress(shell, 'appending')
  try {
    for await (const line of fileLines(file, shell)) {
      if (line.number < fromLine) continue
      const isAppended = await appender.take(line)
      if (isAppended) progress.at(appender.events, appender.estimated(fileBytes))
    }
    await appender.flush()
  } catch (error) {
    throw signal.aborted ? appender.interrupted() : error
  }
  const { events, repeats, position } = appender
  if (output.form === 'json') return await output.object({ appended: events, repeated: repeats, position })
  const again = repeats === 0 ? '' : `; ${countText(repeats)} were there already`
  await output.line(`Appended ${counted(events, 'event')}${again}. The log is at position ${position}.`)
}

/**
 * Gathers lines to batches. A batch is checked as a whole before any of it is written; at the first bad line
 * everything before it is appended, and nothing from it on.
 */
class LineAppender {
  events = 0
  repeats = 0
  position = 0
  #lastLine = 0
  #appendedBytes = 0
  #batch: EventLine[] = []
  #bytes = 0
  readonly #work: LinesToAppend

  constructor(work: LinesToAppend) {
    this.#work = work
  }

  /** Takes a line; true when that filled a batch and it was appended. */
  async take(from: FileLine): Promise<boolean> {
    let line: EventLine | undefined
    try {
      line = eventLine(from)
    } catch (error) {
      await this.flush()
      throw this.#stopped({ number: from.number, error })
    }
    if (line === undefined) return false
    this.#batch.push(withDefaults(line, this.#work.write))
    this.#bytes += line.bytes
    if (this.#batch.length < batchLines && this.#bytes < batchBytes) return false
    await this.flush()
    return true
  }

  async flush(): Promise<void> {
    const [batch, bytes] = [this.#batch, this.#bytes]
    this.#batch = []
    this.#bytes = 0
    const { good, bad } = await checkedBatch(batch, this.#work.defined)
    let together: EventLine[] = []
    for (const line of good) {
      together.push(line)
      // What the log may refuse alone is awaited before anything after it is appended.
      const { expectedVersion = 'any' } = line.options
      if (expectedVersion === 'any' && line.event.id === undefined) continue
      await this.#append(together)
      together = []
    }
    await this.#append(together)
    this.#appendedBytes += bytes
    if (bad !== undefined) throw this.#stopped(bad)
  }

  async #append(lines: readonly EventLine[]): Promise<void> {
    const outcomes = await appendEach(this.#work.book, lines)
    let bad: BadLine | undefined
    for (const [index, outcome] of outcomes.entries()) {
      const number = lines[index]?.number ?? 0
      if (outcome.status === 'rejected') {
        bad ??= { number, error: outcome.reason }
        continue
      }
      const { isRepeat, position } = outcome.value
      if (isRepeat) this.repeats++
      else this.events++
      this.position = Math.max(this.position, position)
      this.#lastLine = number
    }
    if (bad !== undefined) throw this.#stopped(bad)
  }

  /** How many events the file may hold, by what they took so far. */
  estimated(fileBytes: number | undefined): number | undefined {
    if (fileBytes === undefined || this.#appendedBytes === 0) return undefined
    return Math.max(this.events, Math.round((this.events * fileBytes) / this.#appendedBytes))
  }

  interrupted(): CommandFailure {
    return new CommandFailure({
      code: 'INTERRUPTED',
      message: `interrupted after ${counted(this.events, 'event')}`,
      hint: `Go on with --from-line ${this.#lastLine + 1}.`,
      facts: { ...this.#facts(), line: this.#lastLine + 1 },
    })
  }

  #stopped({ number, error }: BadLine): CommandFailure {
    const { code, message, hint, facts } = failureFrom(error)
    // Only a reused key lets lines after it through: they went in the same batch, and have keys of their own.
    const isPassed = this.#lastLine > number
    const goOn = isPassed
      ? 'Correct it and append the whole file again: what has a key and is there already stays as it is.'
      : `Correct it and go on with --from-line ${number}.`
    return new CommandFailure(
      {
        code,
        message: `line ${number} of ${this.#work.file}: ${message}; ${counted(this.events, 'event')} appended before it`,
        hint: `${hint} ${goOn}`,
        facts: { ...facts, ...this.#facts(), line: number },
      },
      error,
    )
  }

  #facts(): CommandFailure['facts'] {
    return { file: this.#work.file, appended: this.events, repeated: this.repeats }
  }
}

/** What a line does not say, the command's options do; one key for the file becomes one for each line. */
function withDefaults(line: EventLine, write: BookAppendOptions): EventLine {
  const { idempotencyKey: fileKey, metadata, ...rest } = write
  const key = fileKey === undefined ? {} : { idempotencyKey: `${fileKey}:${line.number}` }
  const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined))
  const merged = { ...metadata, ...line.options.metadata }
  return { ...line, options: { ...given, ...key, ...line.options, metadata: merged } }
}
