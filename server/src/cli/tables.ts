import Table from 'cli-table3'
import { displayWidth } from './text.ts'

/** A column of a table, and of the lines that stand for it in a pipe. */
export interface Column<Item> {
  readonly title: string
  /** The cell; lines below each other are kept on a terminal. */
  readonly text: (item: Item) => string
  readonly isNumber?: boolean
  /** Goes on in the next line where it does not fit; other columns are cut. */
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
const leastWidth = 8

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
    const wrap = this.#columns.map(({ isWrapped }) =>
      isWrapped === true ? { wordWrap: true, wrapOnWordBoundary: false } : {},
    )
    const heads = this.#isBegun ? [] : [this.#columns.map(({ title }) => title)]
    for (const cells of [...heads, ...rows])
      table.push(cells.map((content, index) => ({ content, ...wrap[index] })))
    const lines = table
      .toString()
      .split('\n')
      .map((line) => line.trimEnd())
    if (!this.#isBegun) lines[0] = paintHead(lines[0] ?? '')
    this.#isBegun = true
    return `${lines.join('\n')}\n`
  }

  /** Widths that fit the terminal: the widest text columns give way first, numbers never. */
  #fittedWidths(): readonly number[] {
    const widths = [...this.#natural]
    const gives = (index: number): boolean =>
      this.#columns[index]?.isNumber !== true && (widths[index] ?? 0) > leastWidth
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
