import { styleText } from 'node:util'
import type { Failure } from './failures.ts'
import { type Shell, written } from './shell.ts'
import { type Column, PagedTable } from './tables.ts'
import { displayWidth, visible } from './text.ts'

/** How results are written: for a program as JSON, for a person as tables, for a pipe as lines with tabs. */
export type Form = 'json' | 'table' | 'lines'

/** Colours that mean something: what is secondary, what is good, doubtful and bad. */
export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red'

/** Text is handed on in pieces of about this many characters. */
const bufferedCharacters = 65_536

/** Where a command writes: results to standard output, all else to standard error. */
export class Output {
  readonly form: Form
  /** Columns of the terminal. */
  readonly width: number
  readonly #shell: Shell
  #buffer = ''

  constructor(shell: Shell, isJson: boolean) {
    this.#shell = shell
    this.form = isJson ? 'json' : shell.stdout.isTTY === true ? 'table' : 'lines'
    this.width = Math.max(40, shell.stdout.columns ?? 80)
  }

  /** Writes one object as a line of JSON. */
  object(value: unknown): Promise<void> {
    return this.text(`${JSON.stringify(value)}\n`)
  }

  /** Writes a line for people. */
  line(text: string): Promise<void> {
    return this.text(`${text}\n`)
  }

  async text(text: string): Promise<void> {
    this.#buffer += text
    if (this.#buffer.length >= bufferedCharacters) await this.flush()
  }

  async flush(): Promise<void> {
    const text = this.#buffer
    this.#buffer = ''
    if (text !== '') await written(this.#shell.stdout, text)
  }

  /** Writes items as they come, batch by batch: a table, lines of cells, or what `json` makes of each. */
  async list<Item>(
    batches: AsyncIterable<readonly Item[]> | Iterable<readonly Item[]>,
    columns: readonly Column<Item>[],
    json: (item: Item) => unknown,
  ): Promise<number> {
    const table = new PagedTable(columns, this.width)
    let count = 0
    for await (const items of batches) {
      count += items.length
      if (items.length === 0) continue
      if (this.form === 'table') await this.text(table.page(items, (head) => this.paint('bold', head)))
      else for (const item of items) await this.#one(item, columns, json)
      await this.flush()
    }
    return count
  }

  async #one<Item>(
    item: Item,
    columns: readonly Column<Item>[],
    json: (item: Item) => unknown,
  ): Promise<void> {
    if (this.form === 'json') return this.object(json(item))
    return this.line(columns.map(({ text }) => text(item).replaceAll('\n', '; ')).join('\t'))
  }

  /** Writes names and values below each other. */
  async sheet(entries: readonly (readonly [name: string, value: string])[]): Promise<void> {
    const width = Math.max(...entries.map(([name]) => displayWidth(name)))
    for (const [name, value] of entries) {
      const padding = ' '.repeat(width - displayWidth(name) + 2)
      const indented = value.replaceAll('\n', `\n${' '.repeat(width + 2)}`)
      if (this.form === 'table') await this.line(`${this.paint('dim', name)}${padding}${indented}`)
      else await this.line(`${name}\t${value.replaceAll('\n', ' ')}`)
    }
  }

  /** Colours a text of standard output, where that is a terminal that wants colour. */
  paint(style: Style, text: string): string {
    return painted(this.#shell, this.#shell.stdout.isTTY, style, text)
  }

  /** Tells a person something that is no result; programs that asked for JSON are not told. */
  async note(text: string): Promise<void> {
    if (this.form !== 'json') await this.#aside(`${this.#paintAside('dim', visible(text))}\n`)
  }

  /** Tells of something doubtful: in JSON too. */
  async warning(code: string, message: string): Promise<void> {
    const text =
      this.form === 'json'
        ? JSON.stringify({ warning: { code, message } })
        : `${this.#paintAside('yellow', 'warning:')} ${visible(message)}`
    await this.#aside(`${text}\n`)
  }

  /** Tells what failed, and what to do. */
  async failure({ code, message, hint, facts }: Failure): Promise<void> {
    if (this.form === 'json') return this.#aside(`${failureJson({ code, message, hint, facts })}\n`)
    const what = code === 'USAGE' ? 'error:' : `error ${code}:`
    await this.#aside(`${this.#paintAside('red', what)} ${message.split('\n').map(visible).join('\n')}\n`)
    if (hint !== '') await this.#aside(`${this.#paintAside('dim', visible(hint))}\n`)
  }

  async #aside(text: string): Promise<void> {
    await this.flush()
    await written(this.#shell.stderr, text)
  }

  #paintAside(style: Style, text: string): string {
    return painted(this.#shell, this.#shell.stderr.isTTY, style, text)
  }
}

function painted({ env }: Shell, isTerminal: boolean | undefined, style: Style, text: string): string {
  const isColoured = isTerminal === true && !env.NO_COLOR && env.TERM !== 'dumb'
  return isColoured ? styleText(style, text, { validateStream: false }) : text
}

/** A failure as one line of JSON; facts that JSON cannot hold are written as text. */
export function failureJson(failure: Failure): string {
  return JSON.stringify({ error: failure }, (_key, value: unknown) =>
    typeof value === 'bigint' || typeof value === 'symbol' || typeof value === 'function'
      ? String(value)
      : value,
  )
}
