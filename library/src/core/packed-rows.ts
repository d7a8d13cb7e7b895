import type { BriefRow, ParsedRow } from './row-hash.ts'

/** The columns of a packed page of brief rows in their order, by their names in both stores. */
export const briefColumns: readonly string[] = [
  'position',
  'stream',
  'version',
  'type',
  'schema_version',
  'data',
  'recorded_at_ms',
]

/** The columns of a packed page of whole rows. */
export const wholeColumns: readonly string[] = [...briefColumns, 'id', 'metadata', 'tags']

const names = new Set(['stream', 'type', 'id'])

/**
 * What a store selects to pack a page: one JSON array for each column. Names are escaped, numbers and data are JSON already.
 *
 * @param arrayOf the store's aggregate of a column of names as a JSON array
 * @param joined its aggregate of a column's texts with commas between
 */
export function packedSelection(
  columns: readonly string[],
  arrayOf: (column: string) => string,
  joined: (column: string) => string,
): string {
  return columns
    .map((column) => (names.has(column) ? arrayOf(column) : `'[' || ${joined(column)} || ']'`))
    .join(', ')
}

/**
 * The rows of a page that comes as few texts, a JSON array for each column, in order of position. A driver hands over a long
 * text far quicker than many values, and nothing takes one apart as quickly as `JSON.parse`, data and all.
 *
 * Undefined should they not be as they were put in, which no event that was appended can cause; then they have to be read one
 * by one.
 */
export function unpackedRows(texts: readonly string[]): readonly BriefRow[] | undefined {
  const parsed = parsedColumns(texts, areBrief)
  return parsed?.[0].map((_, nth) => briefRow(parsed, nth))
}

/** As `unpackedRows`, with ids, metadata and tags. */
export function unpackedWholeRows(texts: readonly string[]): readonly ParsedRow[] | undefined {
  const parsed = parsedColumns(texts, areWhole)
  if (parsed === undefined) return undefined
  const [, , , , , , , ids, metadata, tags] = parsed
  return parsed[0].map((_, nth) => ({
    ...briefRow(parsed, nth),
    id: ids[nth] as string,
    metadata: metadata[nth] as object,
    tags: tags[nth] as readonly string[],
  }))
}

function briefRow(columns: BriefColumns | WholeColumns, nth: number): BriefRow {
  const [positions, streams, versions, types, schemaVersions, data, times] = columns
  return {
    position: positions[nth] as number,
    stream: streams[nth] as string,
    version: versions[nth] as number,
    type: types[nth] as string,
    schemaVersion: schemaVersions[nth] as number,
    data: data[nth] as object,
    recordedAtMs: times[nth] as number,
  }
}

type Columns = readonly (readonly unknown[])[]
type Numbers = readonly number[]
type Texts = readonly string[]
type Objects = readonly object[]
type BriefColumns = readonly [
  positions: Numbers,
  streams: Texts,
  versions: Numbers,
  types: Texts,
  schemaVersions: Numbers,
  data: Objects,
  times: Numbers,
]
type WholeColumns = readonly [...BriefColumns, ids: Texts, metadata: Objects, tags: readonly Texts[]]

/** Undefined where a column is no JSON, or they are no such columns. */
function parsedColumns<Page extends Columns>(
  texts: readonly string[],
  isPage: (columns: Columns) => columns is Columns & Page,
): Page | undefined {
  try {
    const columns: Columns = texts.map((text) => JSON.parse(text))
    return isPage(columns) ? columns : undefined
  } catch {
    return undefined
  }
}

function areBrief(columns: Columns): columns is BriefColumns {
  return columns.length === briefColumns.length && areInOrder(columns)
}

function areWhole(columns: Columns): columns is WholeColumns {
  const [, , , , , , , , metadata, tags] = columns
  if (columns.length !== wholeColumns.length || !areInOrder(columns)) return false
  return metadata?.every(isObject) === true && tags?.every(Array.isArray) === true
}

/** Columns of one length, positions in order, and data that are objects. */
function areInOrder(columns: Columns): boolean {
  const [positions = [], , , , , data = []] = columns
  const isAfter = (position: unknown, nth: number): boolean =>
    Number(position) > Number(positions[nth - 1] ?? 0)
  return (
    columns.every(({ length }) => length === positions.length) &&
    positions.every(isAfter) &&
    data.every(isObject)
  )
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}
