import Table from 'cli-table3'
import { displayWidth } from './text.ts'

/** A column of a table, and of the lines that stand for it in a pipe. */
export interface Column<Item> {
  readonly title: string
  /** The cell; lines below each other are kept on a terminal. */
  readonly text: (item: Item) => string
  readonly isNumber?: boolean
  /** Never narrower than this, where its cells are as wide; default 8. Numbers are never cut. */
  readonly leastWidth?: number
  /** Goes on in the next line where it does not fit, at a space if there is one; other columns are cut. */
  readonly isWrapped?: boolean
}

const noBorders = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
}

const gap = 2

/** A table that is printed page by page: columns grow with what they meet and never narrow again. */
export class PagedTable<Item> {
  readonly #columns: readonly Column<Item>[]
  readonly #terminalWidth: number
  #natural: readonly number[]
  #isBegun = false

  constructor(columns: readonly Column<Item>[], terminalWidth: number) {
    this.#columns = columns
    this.#terminalWidth = terminalWidth
    this.#natural = columns.map(({ title }) => displayWidth(title))
  }

  /** The lines of some items; the first time with the head, given as `paintHead` makes it. */
  page(items: readonly Item[], paintHead: (text: string) => string): string {
    const rows = items.map((item) => this.#columns.map(({ text }) => text(item)))
    this.#natural = this.#natural.map((width, index) =>
      Math.max(width, ...rows.flatMap((row) => (row[index] ?? '').split('\n').map(displayWidth))),
    )
    const widths = this.#fittedWidths()
    const table = new Table({
      chars: noBorders,
      style: { head: [], border: [], 'padding-left': 0, 'padding-right': gap },
      colWidths: widths.map((width) => width + gap),
      colAligns: this.#columns.map(({ isNumber }) => (isNumber === true ? 'right' : 'left')),
    })
    const heads = this.#isBegun ? [] : [this.#columns.map(({ title }) => title)]
    for (const cells of [...heads, ...rows])
      table.push(cells.map((text, index) => this.#fitted(text, widths, index)))
    const lines = table
      .toString()
      .split('\n')
      .map((line) => line.trimEnd())
    if (!this.#isBegun) lines[0] = paintHead(lines[0] ?? '')
    this.#isBegun = true
    return `${lines.join('\n')}\n`
  }

  #fitted(text: string, widths: readonly number[], index: number): string {
    return this.#columns[index]?.isWrapped === true ? wrapped(text, widths[index] ?? 0) : text
  }

  /** Widths that fit the terminal: the widest text columns give way first, numbers never. */
  #fittedWidths(): readonly number[] {
    const widths = [...this.#natural]
    const gives = (index: number): boolean => {
      const { isNumber, leastWidth = 8 } = this.#columns[index] ?? {}
      return isNumber !== true && (widths[index] ?? 0) > leastWidth
    }
    let excess = widths.reduce((sum, width) => sum + width + gap, -gap) - this.#terminalWidth
    for (; excess > 0; excess--) {
      const flexible = widths.map((width, index) => (gives(index) ? width : 0))
      const widest = flexible.indexOf(Math.max(...flexible))
      if (flexible[widest] === 0) break
      widths[widest] = (widths[widest] ?? 0) - 1
    }
    return widths
  }
}

/** Text broken into lines of at most so many columns: after a space where there is one, else anywhere. */
export function wrapped(text: string, width: number): string {
  return text
    .split('\n')
    .flatMap((line) => brokenLine(line, width))
    .join('\n')
}

function brokenLine(line: string, width: number): readonly string[] {
  if (displayWidth(line) <= width) return [line]
  const lines: string[] = []
  let [start, space, used] = [0, 0, 0]
  for (const { segment, index } of new Intl.Segmenter().segment(line)) {
    used += displayWidth(segment)
    if (used > width && index > start) {
      const end = segment === ' ' ? index : space > start ? space : index
      lines.push(line.slice(start, end))
      start = line[end] === ' ' ? end + 1 : end
      used = displayWidth(line.slice(start, index + segment.length))
    }
    if (segment === ' ') space = index
  }
  return start < line.length ? [...lines, line.slice(start)] : lines
}
