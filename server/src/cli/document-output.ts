import type { Found } from 'daybook'
import { CommandFailure } from './failures.ts'
import type { Output } from './output.ts'
import type { Column } from './tables.ts'
import { jsonText, valueText, visible } from './text.ts'

type Document = Found<unknown>

/** Writes one document, field by field on a terminal; throws `NOT_FOUND` where there is none. */
export async function writeDocument(
  output: Output,
  name: string,
  key: string,
  document: unknown,
): Promise<void> {
  if (document === undefined) {
    throw new CommandFailure({
      code: 'NOT_FOUND',
      message: `${name} has no document ${JSON.stringify(key)}`,
      facts: { projection: name, key },
    })
  }
  if (output.form === 'json') await output.object({ key, document })
  else if (output.form === 'lines') await output.line(`${visible(key)}\t${jsonText(document)}`)
  else
    await output.sheet(
      fieldsOf(document).map((field) => [visible(field), valueText(fieldOf(document, field))]),
    )
}

/** Writes documents as they come: on a terminal a column for each field of the first ones, in a pipe key and document. */
export async function writeDocuments(
  output: Output,
  pages: AsyncGenerator<readonly Document[]>,
): Promise<number> {
  if (output.form !== 'table') return output.list(pages, lineColumns, (found) => found)
  const first = await pages.next()
  if (first.done === true) return 0
  const all = startingWith(first.value, pages)
  return output.list(all, columnsOf(first.value), (found) => found)
}

async function* startingWith(
  first: readonly Document[],
  rest: AsyncGenerator<readonly Document[]>,
): AsyncGenerator<readonly Document[]> {
  yield first
  yield* rest
}

const lineColumns: readonly Column<Document>[] = [
  { title: 'key', text: ({ key }) => visible(key) },
  { title: 'document', text: ({ document }) => jsonText(document) },
]

function columnsOf(first: readonly Document[]): readonly Column<Document>[] {
  const fields = [...new Set(first.flatMap(({ document }) => fieldsOf(document)))]
  const ofFields = fields.map((field): Column<Document> => {
    const kinds = first.map(({ document }) => typeof fieldOf(document, field))
    return {
      title: visible(field),
      text: ({ document }) => valueText(fieldOf(document, field)),
      isNumber: kinds.every((kind) => kind === 'number' || kind === 'undefined'),
    }
  })
  return [{ title: 'key', text: ({ key }) => visible(key) }, ...ofFields]
}

function fieldsOf(document: unknown): readonly string[] {
  return typeof document === 'object' && document !== null ? Object.keys(document) : []
}

function fieldOf(document: unknown, field: string): unknown {
  return (document as { readonly [name: string]: unknown })[field]
}
