/** A line of CSV as RFC 4180 has it, ended by CR LF. */
export function csvLine(cells: readonly string[]): string {
  return `${cells.map(cell).join(',')}\r\n`
}

// A spreadsheet would run a cell that begins like a formula; an apostrophe makes it text (OWASP, CSV injection).
const formula = /^[=+\-@\t\r]/
const special = /[",\r\n]/

function cell(text: string): string {
  const safe = formula.test(text) ? `'${text}` : text
  return special.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
