import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { PkddError, type PkddErrorCode } from './errors.ts'

const inflate = promisify(gunzip)

/** The whole published data set is 66 MB unpacked; more than this is not it. */
const maxUnpackedBytes = 512 * 1024 * 1024

const downloadHint = "Fetch the PKDD'99 financial data again, or point to the directory that holds it."

/** One row of a table, read by column name. Every getter throws `PkddError` `BadRow` when the cell does not fit. */
export class Row<Column extends string> {
  readonly path: string
  /** Line of the uncompressed file, 1 is the header. */
  readonly line: number
  readonly #columns: readonly Column[]
  readonly #cells: readonly string[]

  constructor(path: string, line: number, columns: readonly Column[], cells: readonly string[]) {
    this.path = path
    this.line = line
    this.#columns = columns
    this.#cells = cells
  }

  /** The cell without its quotes and outer blanks; may be empty. */
  text(column: Column): string {
    return (this.#cells[this.#columns.indexOf(column)] ?? '').trim()
  }

  /** A whole number from 0 to 999,999,999,999,999. */
  integer(column: Column): number {
    const text = this.text(column)
    if (!/^\d{1,15}$/.test(text)) throw this.bad(column, `"${text}" is not a whole number.`)
    return Number(text)
  }

  /** A number such as `67.1`, or `null` where the source has `?` for unknown. Not for money. */
  measure(column: Column): number | null {
    const text = this.text(column)
    if (text === '?') return null
    if (!/^\d{1,12}(\.\d{1,6})?$/.test(text)) throw this.bad(column, `"${text}" is not a number.`)
    return Number(text)
  }

  /** Money in cents (hellers), digit by digit: `-12.3` is -1230. At most two decimals. */
  cents(column: Column): number {
    const text = this.text(column)
    const parts = /^(-?)(\d{1,12})(?:\.(\d{1,2}))?$/.exec(text)
    if (!parts) throw this.bad(column, `"${text}" is not an amount of money.`)
    const cents = Number(parts[2]) * 100 + Number((parts[3] ?? '').padEnd(2, '0'))
    return parts[1] === '-' && cents !== 0 ? -cents : cents
  }

  /** `YYMMDD` of the twentieth century, a time of day after it ignored, as `YYYY-MM-DD`. */
  date(column: Column): string {
    const text = this.text(column)
    const parts = /^(\d\d)(\d\d)(\d\d)(?: 00:00:00)?$/.exec(text)
    const date = parts && calendarDate(parts[1] ?? '', Number(parts[2]), Number(parts[3]))
    if (!date) throw this.bad(column, `"${text}" is not a date written YYMMDD.`)
    return date
  }

  /** A Czech birth number without its ending: `YYMMDD`, the month plus 50 for women. */
  birthNumber(column: Column): { readonly bornOn: string; readonly sex: 'female' | 'male' } {
    const text = this.text(column)
    const parts = /^(\d\d)(\d\d)(\d\d)$/.exec(text)
    const month = Number(parts?.[2])
    const sex = month > 50 ? 'female' : 'male'
    const bornOn = parts && calendarDate(parts[1] ?? '', month > 50 ? month - 50 : month, Number(parts[3]))
    if (!bornOn) throw this.bad(column, `"${text}" is not a birth number (YYMMDD, month + 50 for women).`)
    return { bornOn, sex }
  }

  /** The meaning of a code word, looked up in `meanings`. */
  word<Meaning>(column: Column, meanings: ReadonlyMap<string, Meaning>): Meaning {
    const text = this.text(column)
    const meaning = meanings.get(text)
    if (meaning === undefined) {
      const known = [...meanings.keys()].map((key) => `"${key}"`).join(', ')
      throw this.bad(column, `"${text}" is not one of ${known}.`)
    }
    return meaning
  }

  /** Like `word`, and `undefined` for an empty or blank cell. */
  optionalWord<Meaning>(column: Column, meanings: ReadonlyMap<string, Meaning>): Meaning | undefined {
    return this.text(column) === '' ? undefined : this.word(column, meanings)
  }

  /** The error to throw for this row. */
  bad(column: Column | undefined, problem: string): PkddError {
    const hint = 'Compare the line with the original file; it was edited or damaged.'
    const where = { path: this.path, line: this.line, ...(column === undefined ? {} : { column }) }
    return new PkddError({ code: 'BadRow', ...where, problem, hint })
  }
}

/**
 * Reads `<name>.asc.gz`: gzipped, semicolon-separated, quoted where the source quotes, CRLF or LF, in CP1250.
 * The first line must be exactly `columns`. Throws `PkddError`.
 */
export async function readTable<Column extends string>(
  directory: string,
  name: string,
  columns: readonly Column[],
): Promise<Row<Column>[]> {
  const path = join(directory, `${name}.asc.gz`)
  const text = new TextDecoder('windows-1250').decode(await unpack(directory, path))
  const lines = text.split(/\r?\n/)
  const header = splitLine(lines[0] ?? '')
  if (header?.join(';') !== columns.join(';')) {
    const problem = `The header is ${JSON.stringify(lines[0])}, expected the columns ${columns.join(';')}.`
    throw new PkddError({ code: 'WrongHeader', path, line: 1, problem, hint: downloadHint })
  }
  const rows: Row<Column>[] = []
  for (let at = 1; at < lines.length; at++) {
    const line = lines[at] ?? ''
    if (line === '' && at === lines.length - 1) break
    const cells = splitLine(line)
    const row = new Row(path, at + 1, columns, cells ?? [])
    if (!cells) throw row.bad(undefined, 'A quotation mark is not closed or stands inside a cell.')
    if (cells.length !== columns.length) {
      throw row.bad(undefined, `The row has ${cells.length} cells, expected ${columns.length}.`)
    }
    rows.push(row)
  }
  return rows
}

async function unpack(directory: string, path: string): Promise<Buffer> {
  const packed = await readFile(path).catch(async (cause: unknown) => {
    throw await whyUnreadable(directory, path, cause)
  })
  if (packed.length === 0 || packed[0] !== 0x1f || (packed.length > 1 && packed[1] !== 0x8b)) {
    const problem = packed.length === 0 ? 'The file is empty.' : 'The file is not gzip-compressed.'
    throw new PkddError({ code: 'NotGzip', path, problem, hint: 'Compress it with gzip, or fetch it again.' })
  }
  return inflate(packed, { maxOutputLength: maxUnpackedBytes }).catch((cause: unknown) => {
    const { code, problem } = gzipProblem(errorCode(cause))
    throw new PkddError({ code, path, problem, hint: downloadHint, cause })
  })
}

function gzipProblem(code: string | undefined): { readonly code: PkddErrorCode; readonly problem: string } {
  if (code === 'Z_BUF_ERROR') return { code: 'GzipTruncated', problem: 'The gzip file ends too early.' }
  if (code === 'ERR_BUFFER_TOO_LARGE') {
    return { code: 'FileTooLarge', problem: `The file unpacks to more than ${maxUnpackedBytes} bytes.` }
  }
  return { code: 'GzipCorrupt', problem: 'The gzip file is damaged.' }
}

async function whyUnreadable(directory: string, path: string, cause: unknown): Promise<PkddError> {
  const isDirectory = await stat(directory).then(
    (found) => found.isDirectory(),
    () => false,
  )
  if (!isDirectory) {
    const problem = 'There is no such directory.'
    return new PkddError({ code: 'DirectoryMissing', path: directory, problem, hint: downloadHint, cause })
  }
  if (errorCode(cause) === 'ENOENT') {
    return new PkddError({
      code: 'FileMissing',
      path,
      problem: 'There is no such file.',
      hint: downloadHint,
      cause,
    })
  }
  const problem = `The file cannot be read (${errorCode(cause) ?? 'unknown reason'}).`
  return new PkddError({ code: 'FileUnreadable', path, problem, hint: 'Check its permissions.', cause })
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** The cells of a line, `undefined` when its quotation marks do not pair up. */
function splitLine(line: string): string[] | undefined {
  const cells: string[] = []
  const cell = /(?:"((?:[^"]|"")*)"|([^";]*))(;|$)/y
  for (;;) {
    const match = cell.exec(line)
    if (!match) return undefined
    cells.push(match[1] === undefined ? (match[2] ?? '') : match[1].replaceAll('""', '"'))
    if (match[3] === '') return cells
  }
}

function calendarDate(year: string, month: number, day: number): string | undefined {
  const date = new Date(Date.UTC(1900 + Number(year), month - 1, day))
  const isReal = date.getUTCMonth() === month - 1 && date.getUTCDate() === day
  return isReal ? date.toISOString().slice(0, 10) : undefined
}
