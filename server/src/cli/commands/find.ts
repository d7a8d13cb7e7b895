import { type Command, Option } from 'commander'
import type { AnyProjection, Book, ColumnType, Found, Projection, ReadModel } from 'daybook'
import { type Conditions, conditionsFrom, orderFrom } from '../conditions.ts'
import { writeDocument, writeDocuments } from '../document-output.ts'
import { usage } from '../failures.ts'
import { explained } from '../help.ts'
import { definitionsOf, openFollowing, projectionNamed } from '../opening.ts'
import { Progress } from '../progress.ts'
import type { Session, Tools } from '../session.ts'
import { repeatable, seconds, wholeNumber } from '../values.ts'

interface FindOptions {
  readonly where?: readonly string[]
  readonly order?: readonly string[]
  readonly limit?: number
  readonly count?: boolean
  readonly notBefore?: number
  readonly timeout: number
}

type AnyReadModel = ReadModel<unknown, { readonly [column: string]: ColumnType }>

/** `daybook find`: documents of a read model. */
export function addFind(program: Command, session: Session): void {
  const command = explained(program.command('find <projection> [key]'), {
    summary: 'query a read model',
    purpose:
      'Prints documents of a read model, in the order of their keys or of columns: one by its key, those that match, or all. It first brings the read model up to the end of the log, so the answer is current even where nothing else runs the projection.',
    examples: [
      ['daybook find balances 42', 'one document'],
      [`daybook find balances --where 'cents>100000' --order cents:desc --limit 10`, 'the ten largest'],
      [`daybook find balances --where 'status=in:open,frozen' --count`, 'how many'],
      ['daybook find balances --json > balances.ndjson', 'all of them, {"key":…,"document":…} a line'],
    ],
  })
  command
    .option(
      '--where <condition>',
      'a declared column or key, one of = != > >= < <=, a value; col=in:a,b (repeatable)',
      repeatable,
    )
    .option('--order <column>', 'col or col:desc (repeatable)', repeatable)
    .option('--limit <documents>', 'at most so many', wholeNumber(1))
    .option('--count', 'only how many there are')
    .option(
      '--not-before <position>',
      'wait until the read model has folded this position too',
      wholeNumber(0),
    )
    .addOption(
      new Option('--timeout <seconds>', 'wait at most so long for the read model')
        .argParser(seconds)
        .default(60_000, '60'),
    )
    .action((name: string, key: string | undefined) =>
      session.run((tools) => find(tools, name, key, command.opts<FindOptions>())),
    )
}

async function find(
  tools: Tools,
  name: string,
  key: string | undefined,
  options: FindOptions,
): Promise<void> {
  const { output } = tools
  const defined = await definitionsOf(tools)
  const projection = projectionNamed(defined, name)
  const { columns } = projection.definition.shape
  const where = conditionsFrom(options.where ?? [], columns)
  const orderBy = orderFrom(options.order ?? [], columns)
  if (
    key !== undefined &&
    [options.where, options.order, options.limit, options.count].some((given) => given)
  )
    throw usage('a key names one document: leave out --where, --order, --limit and --count')
  await using book = await openFollowing(tools, defined, [projection])
  const model = await currentModel(tools, book, projection, options)
  if (key !== undefined) return await writeDocument(output, name, key, await model.get(key))
  if (options.count === true) {
    const count = await model.count({ where })
    if (output.form === 'json') await output.object({ count })
    else await output.line(String(count))
    return
  }
  const found = pages(model, where, orderBy, options.limit)
  const count = await writeDocuments(output, found)
  if (count === 0) await output.note(`${name} has no ${options.where === undefined ? '' : 'such '}documents.`)
}

/** The read model once it has reached the end of the log and `--not-before`. */
async function currentModel(
  { shell, signal }: Tools,
  book: Book,
  projection: AnyProjection,
  { notBefore = 0, timeout }: FindOptions,
): Promise<AnyReadModel> {
  const model = book.read(projection as Projection<unknown, { readonly [column: string]: ColumnType }>)
  const position = Math.max(await book.head(), notBefore)
  await using progress = new Progress(shell, `bringing ${projection.definition.shape.name} up to date:`)
  const watch = setInterval(() => {
    void book.status().then(
      ([status]) => progress.at(status?.position ?? 0, position),
      () => undefined,
    )
  }, 200)
  try {
    const isInterrupted = new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    })
    await Promise.race([model.count({ notBefore: position, timeoutMs: timeout }), isInterrupted])
  } finally {
    clearInterval(watch)
  }
  return model
}

/** Documents that are written at once. */
const pageDocuments = 1_000

/** The documents that match, in any order, page by page without end. */
async function* pages(
  model: AnyReadModel,
  where: Conditions,
  orderBy: { readonly [column: string]: 'asc' | 'desc' },
  limit = Number.POSITIVE_INFINITY,
): AsyncGenerator<readonly Found<unknown>[]> {
  let left = limit
  for (let after: string | undefined; left > 0; ) {
    const page = await model.page({ where, orderBy, limit: Math.min(left, pageDocuments), after })
    yield page.items
    if (page.next === undefined) return
    left -= page.items.length
    after = page.next
  }
}
