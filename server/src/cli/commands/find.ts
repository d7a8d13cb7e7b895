import { type Command, Option } from 'commander'
import type { AnyProjection, BookOptions, ReadAsOf } from 'daybook'
import { conditionsFrom, orderFrom } from '../conditions.ts'
import { writeDocument, writeDocuments } from '../document-output.ts'
import { usage } from '../failures.ts'
import { explained } from '../help.ts'
import { definitionsOf, openToSee, projectionNamed } from '../opening.ts'
import { Progress } from '../progress.ts'
import type { Session, Tools } from '../session.ts'
import { positionOrInstant, repeatable, seconds, wholeNumber } from '../values.ts'
import { modelOf, openCurrent } from './find/current.ts'
import { documentsNow, documentsThen, type Wanted } from './find/documents.ts'

interface FindOptions {
  readonly where?: readonly string[]
  readonly order?: readonly string[]
  readonly limit?: number
  readonly count?: boolean
  readonly asOf?: number | string
  readonly recorded?: boolean
  readonly notBefore?: number
  readonly timeout: number
}

/** `daybook find`: documents of a read model. */
export function addFind(program: Command, session: Session): void {
  const command = explained(program.command('find <projection> [key]'), {
    summary: 'query a read model',
    purpose:
      'Prints documents of a read model, in the order of their keys or of columns: one by its key, those that match, or all. It first brings the read model up to the end of the log, so the answer is current even where nothing else runs the projection. With --as-of it answers about the past instead, folded from the log at the price of reading it: by time, the business time of an event counts where it carries one, with --recorded when it was recorded.',
    examples: [
      ['daybook find balances 42', 'one document'],
      [`daybook find balances --where 'cents>100000' --order cents:desc --limit 10`, 'the ten largest'],
      [`daybook find balances --where 'status=in:open,frozen' --count`, 'how many'],
      [`daybook find balances --where 'owner^=Ad'`, 'those whose owner begins with Ad'],
      ['daybook find balances 42 --as-of 1993-12-31', 'the document at the turn of that day'],
      ['daybook find balances --json > balances.ndjson', 'all of them, {"key":…,"document":…} a line'],
    ],
  })
  command
    .option(
      '--where <condition>',
      'a declared column or key, one of = != > >= < <=, a value; text^=beginning; col=in:a,b (repeatable)',
      repeatable,
    )
    .option('--order <column>', 'col or col:desc (repeatable)', repeatable)
    .option('--limit <documents>', 'at most so many', wholeNumber(1))
    .option('--count', 'only how many there are')
    .option(
      '--as-of <when>',
      'at a position of the log, or a time, ISO 8601; both inclusive',
      positionOrInstant,
    )
    .option('--recorded', 'with a time: by recorded instead of business time')
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
  refuseContradictions(key, options)
  const defined = await definitionsOf(tools)
  const projection = projectionNamed(defined, name)
  const { columns } = projection.definition.shape
  const where = conditionsFrom(options.where ?? [], columns)
  const orderBy = orderFrom(options.order ?? [], columns)
  const { limit } = options
  const wanted = { key, where, orderBy, ...(limit === undefined ? {} : { limit }) }
  if (options.asOf === undefined) return await findNow(tools, defined, projection, wanted, options)
  const moment = { asOf: options.asOf, ...(options.recorded ? { timeline: 'recorded' as const } : {}) }
  await findThen(tools, defined, projection, wanted, moment, options.count ?? false)
}

/** What is asked for: one document, or those that match. */
interface Question extends Wanted {
  readonly key: string | undefined
}

function refuseContradictions(key: string | undefined, options: FindOptions): void {
  const { where, order, limit, count, asOf, recorded, notBefore } = options
  if (key !== undefined && [where, order, limit, count].some((given) => given))
    throw usage('a key names one document: leave out --where, --order, --limit and --count')
  if (recorded === true && typeof asOf !== 'string') throw usage('--recorded goes with a time in --as-of')
  if (asOf !== undefined && notBefore !== undefined)
    throw usage('give --as-of or --not-before, not both', 'The past does not wait for anybody.')
}

async function findNow(
  tools: Tools,
  defined: BookOptions,
  projection: AnyProjection,
  { key, ...wanted }: Question,
  options: FindOptions,
): Promise<void> {
  const { output } = tools
  const { name } = projection.definition.shape
  const { book, model } = await openCurrent(tools, defined, projection, options)
  await using _open = book
  if (key !== undefined) return await writeDocument(output, name, key, await model.get(key))
  if (options.count === true) return await writeCount(tools, await model.count({ where: wanted.where }))
  await writeFound(tools, name, wanted, documentsNow(model, wanted))
}

async function findThen(
  tools: Tools,
  defined: BookOptions,
  projection: AnyProjection,
  { key, ...wanted }: Question,
  moment: ReadAsOf,
  isCount: boolean,
): Promise<void> {
  const { output, shell, signal } = tools
  const { name } = projection.definition.shape
  await using book = await openToSee(defined, [projection])
  const model = modelOf(book, projection)
  await using progress = new Progress(shell, 'reading the log')
  const onProgress = (position: number, toPosition: number): void => progress.at(position, toPosition)
  const then = { ...moment, onProgress, signal }
  if (key !== undefined) {
    const document = await model.get(key, then)
    await progress.wipe()
    return await writeDocument(output, name, key, document)
  }
  if (isCount) {
    const count = await model.count({ where: wanted.where, ...then })
    await progress.wipe()
    return await writeCount(tools, count)
  }
  await writeFound(tools, name, wanted, documentsThen(model, wanted, then, progress))
}

async function writeCount({ output }: Tools, count: number): Promise<void> {
  if (output.form === 'json') await output.object({ count })
  else await output.line(String(count))
}

async function writeFound(
  { output }: Tools,
  name: string,
  { where }: Wanted,
  found: ReturnType<typeof documentsNow>,
): Promise<void> {
  const count = await writeDocuments(output, found)
  const such = Object.keys(where).length === 0 ? '' : 'such '
  if (count === 0) await output.note(`${name} has no ${such}documents.`)
}
