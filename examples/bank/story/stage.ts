import { styleText } from 'node:util'

const amounts = new Intl.NumberFormat('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })

/** Cents as crowns: `1,234.50`. */
export function crowns(cents: number) {
  return amounts.format(cents / 100)
}

type Look = Parameters<typeof styleText>[0]

/** Coloured on a terminal, plain in a pipe or under NO_COLOR. */
function look(style: Look, text: string) {
  return styleText(style, text, { stream: process.stdout })
}

export const bold = (text: string) => look('bold', text)
export const faint = (text: string) => look('dim', text)

let chapters = 0

export function chapter(title: string) {
  chapters++
  console.log(`\n${look(['bold', 'cyan'], `${chapters}  ${title}`)}`)
}

export function say(text: string) {
  console.log(`   ${text}`)
}

export function good(text: string) {
  console.log(`   ${look('green', '✓')} ${text}`)
}

export function bad(text: string) {
  console.log(`   ${look('red', '✗')} ${text}`)
}

/** The call that did it, for people who look for the API. */
export function code(text: string) {
  console.log(`   ${faint(text)}`)
}

/** Rows in columns; a column whose name ends in `>` is aligned to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]) {
  const names = header.map((name) => name.replace(/>$/, ''))
  const widths = names.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => (row[column] ?? '').length)),
  )
  const line = (cells: readonly string[]) =>
    widths
      .map((width, column) => {
        const cell = cells[column] ?? ''
        return header[column]?.endsWith('>') ? cell.padStart(width) : cell.padEnd(width)
      })
      .join('  ')
      .trimEnd()
  console.log(`   ${faint(line(names))}`)
  for (const row of rows) console.log(`   ${line(row)}`)
}
