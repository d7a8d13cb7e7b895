import { type Command, Option } from 'commander'
import type { Difference } from 'daybook'
import { copiesOf } from '../../copies.ts'
import { exitCodes } from '../../failures.ts'
import { explained } from '../../help.ts'
import { definitionsOf, openToSee, versionsOf } from '../../opening.ts'
import { Progress } from '../../progress.ts'
import type { Session, Tools } from '../../session.ts'
import type { Column } from '../../tables.ts'
import { counted, valueText, visible } from '../../text.ts'
import { wholeNumber } from '../../values.ts'

interface Options {
  readonly with?: 'next' | 'previous'
  readonly limit?: number
}

/** `daybook projections compare`: what differs between two copies. */
export function addCompare(group: Command, session: Session): void {
  const command = explained(group.command('compare <name>'), {
    summary: 'show what differs between the copy that serves and another',
    purpose:
      'Compares the copy that serves with the next one, or where there is none with the one that served before, document by document in the order of their keys, while both are kept up to date. Each difference is a line: key, field, and what either copy has. The exit code is 1 when there is a difference, and 0 when there is none. It changes nothing; the code of one of the two versions must be in the configuration.',
    examples: [
      ['daybook projections compare balances', 'all differences'],
      ['daybook projections compare balances --limit 20', 'the first ones'],
      ['daybook projections compare balances --with previous', 'what the last swap changed'],
    ],
  })
  command
    .addOption(
      new Option('--with <copy>', 'next or previous (default: next, where there is one)').choices([
        'next',
        'previous',
      ]),
    )
    .option('--limit <differences>', 'at most so many', wholeNumber(1))
    .action((name: string) => session.run((tools) => compare(tools, name, command.opts<Options>())))
}

/** Differences that are written at once. */
const batchSize = 100

async function compare(tools: Tools, name: string, options: Options): Promise<number | undefined> {
  const { output, shell, signal } = tools
  const defined = await definitionsOf(tools)
  await using book = await openToSee(defined, versionsOf(defined, name))
  const { serving, next, previous } = await copiesOf(book, name)
  const role = options.with ?? (next === undefined ? 'previous' : 'next')
  const other = role === 'next' ? next : previous
  await using progress = new Progress(shell, 'comparing')
  const onProgress = (compared: number, documents: number): void => progress.at(compared, documents)
  const differences = book.rebuilds.compare(name, { ...options, with: role, onProgress, signal })
  const found = batches(differences, progress)
  const columns = columnsFor(serving.subscription, other?.subscription ?? role)
  const count = await output.list(found, columns, (difference) => difference)
  if (count === 0) {
    await output.note(
      `${serving.subscription}, which serves, and ${other?.subscription} have the same documents.`,
    )
    return undefined
  }
  const more = count === options.limit ? '; there may be more' : ''
  await output.note(`${counted(count, 'difference')}${more}.`)
  return exitCodes.error[0]
}

async function* batches(
  differences: AsyncIterable<Difference>,
  progress: Progress,
): AsyncGenerator<readonly Difference[]> {
  let batch: Difference[] = []
  for await (const difference of differences) {
    batch.push(difference)
    if (batch.length < batchSize) continue
    await progress.wipe()
    yield batch
    batch = []
  }
  await progress.wipe()
  yield batch
}

function columnsFor(serving: string, other: string): readonly Column<Difference>[] {
  return [
    { title: 'Key', text: ({ key }) => visible(key) },
    { title: 'Field', text: ({ field = '' }) => visible(field) },
    { title: `${serving} serves`, text: ({ serving: value }) => valueOrNone(value), isWrapped: true },
    { title: other, text: ({ other: value }) => valueOrNone(value), isWrapped: true },
  ]
}

/** A side may have no such field, or no document at all. */
function valueOrNone(value: unknown): string {
  return value === undefined ? '(none)' : valueText(value)
}
