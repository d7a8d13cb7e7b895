import type { BriefRow } from './row-hash.ts'

/**
 * A page of rows as few texts, one for each column, its cells apart by this character. A driver hands over a long text
 * far quicker than many values. Names have no control characters, and JSON text has them only as escapes.
 */
export const packedSeparator = 0x1e

const separator = String.fromCharCode(packedSeparator)

/** The cells of a row, in the order of its columns. */
type Cells = readonly (string | null)[]

/**
 * The rows again, in order of position, which is the first column. Undefined should they not be as they were put in, which no
 * event that was appended can cause; then they have to be read one by one.
 */
export function unpackedRows(columns: readonly string[]): readonly Cells[] | undefined {
  const split = columns.map((column) => column.split(separator))
  const [positions = []] = split
  if (split.some(({ length }) => length !== positions.length)) return undefined
  let last = 0
  for (const position of positions) {
    if (Number(position) <= last) return undefined
    last = Number(position)
  }
  return positions.map((_, nth) => split.map((cells) => cells[nth] as string))
}

/** Of the columns position, stream, version, type, schema version, data, recorded time. */
export function briefRow(cells: Cells): BriefRow {
  return {
    position: Number(cells[0]),
    stream: apart(cells[1]),
    version: Number(cells[2]),
    type: apart(cells[3]),
    schemaVersion: Number(cells[4]),
    data: cells[5] as string,
    recordedAtMs: Number(cells[6]),
  }
}

/**
 * A copy of a part of a longer text. V8 keeps the whole text for as long as the part is kept, and who keeps a name, as the
 * key of a document, would keep all names of its page. Joining copies.
 */
function apart(part: string | null | undefined): string {
  return ` ${part}`.slice(1)
}
