import type { BriefRow } from './row-hash.ts'

/** The columns of a packed page in their order, by their names in both stores. */
export const packedColumns = [
  'position',
  'stream',
  'version',
  'type',
  'schema_version',
  'data',
  'recorded_at_ms',
] as const

/**
 * What a store selects to pack a page: one JSON array for each column. Names are escaped, numbers and data are JSON already.
 *
 * @param arrayOf the store's aggregate of a column of names as a JSON array
 * @param joined its aggregate of a column's texts with commas between
 */
export function packedSelection(
  arrayOf: (column: string) => string,
  joined: (column: string) => string,
): string {
  const isName = (column: string): boolean => column === 'stream' || column === 'type'
  return packedColumns
    .map((column) => (isName(column) ? arrayOf(column) : `'[' || ${joined(column)} || ']'`))
    .join(', ')
}

/**
 * The rows of a page that comes as few texts, a JSON array for each column, in order of position. A driver hands over a long
 * text far quicker than many values, and nothing takes one apart as quickly as `JSON.parse`, data and all.
 *
 * Undefined should they not be as they were put in, which no event that was appended can cause; then they have to be read one
 * by one.
 */
export function unpackedRows(columns: readonly string[]): readonly BriefRow[] | undefined {
  const parsed = parsedColumns(columns)
  if (parsed === undefined) return undefined
  const [positions, streams, versions, types, schemaVersions, data, times] = parsed
  const rows: BriefRow[] = []
  let last = 0
  for (let nth = 0; nth < positions.length; nth++) {
    const position = positions[nth] as number
    const value = data[nth]
    if (position <= last || typeof value !== 'object' || value === null) return undefined
    last = position
    rows.push({
      position,
      stream: streams[nth] as string,
      version: versions[nth] as number,
      type: types[nth] as string,
      schemaVersion: schemaVersions[nth] as number,
      data: value,
      recordedAtMs: times[nth] as number,
    })
  }
  return rows
}

type Numbers = readonly number[]
type Texts = readonly string[]
type Parsed = readonly [Numbers, Texts, Numbers, Texts, Numbers, readonly unknown[], Numbers]

/** Undefined where a column is no JSON, or they are not of one length. */
function parsedColumns(columns: readonly string[]): Parsed | undefined {
  try {
    const parsed = columns.map((column): readonly unknown[] => JSON.parse(column))
    return isPage(parsed) ? parsed : undefined
  } catch {
    return undefined
  }
}

function isPage(columns: readonly (readonly unknown[])[]): columns is Parsed {
  return (
    columns.length === packedColumns.length && columns.every(({ length }) => length === columns[0]?.length)
  )
}
