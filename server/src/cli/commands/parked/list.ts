import { type Command, Option } from 'commander'
import type { Book, ParkedEvent, ParkedOptions, ParkedStatus } from 'daybook'
import { defaultCommand, refuseWords } from '../../command-group.ts'
import { usage } from '../../failures.ts'
import { explained } from '../../help.ts'
import { definitionsOf, openToRead } from '../../opening.ts'
import type { Session, Tools } from '../../session.ts'
import type { Column } from '../../tables.ts'
import { visible } from '../../text.ts'
import { repeatable, wholeNumber } from '../../values.ts'

interface Options {
  readonly subscription?: string
  readonly stream?: string
  readonly status?: readonly string[]
  readonly limit: number
}

/** All that an event aside may be. */
export const statuses: readonly ParkedStatus[] = ['retrying', 'waiting', 'parked', 'skipped']

/** `daybook parked list`: the events put aside. */
export function addList(group: Command, session: Session): void {
  const command = explained(defaultCommand(group, 'list'), {
    summary: 'list the events put aside',
    purpose:
      'Lists the events put aside, in the order of subscriptions and positions. retrying: tried again at the time shown. waiting: an earlier event of its stream is retrying or parked. parked: waits for a person. skipped: a person decided that it is not to be handled; these are shown only where --status asks for them.',
    examples: [
      ['daybook parked', 'all but those that were skipped'],
      ['daybook parked --subscription search --status parked', 'those of one that wait for a person'],
      ['daybook parked --stream account-42 --json', 'those of one stream, for a program'],
    ],
  })
  command
    .option('--subscription <name>', 'of one that follows the book: search, search@2, reaction mail')
    .option('--stream <stream>', 'of one stream')
    .option('--status <status>', `one of ${statuses.join(', ')} (repeatable)`, repeatable)
    .addOption(
      new Option('--limit <events>', 'at most so many, up to 10000').argParser(wholeNumber(1)).default(1_000),
    )
    .action(() =>
      session.run((tools) => {
        refuseWords(command)
        return list(tools, command.opts<Options>())
      }),
    )
}

async function list(tools: Tools, options: Options): Promise<void> {
  const { output } = tools
  const filter = filterFrom(options)
  await definitionsOf(tools, 'store')
  await using book = await openToRead(tools)
  const found = await book.subscriptions.parked(filter)
  await output.list([found], output.form === 'table' ? tableColumns : lineColumns, parkedJson)
  if (found.length === 0) await output.note('No such events are aside.')
  if (found.length === options.limit)
    await output.note('There may be more: give a larger --limit, or narrow it.')
}

function filterFrom({ subscription, stream, status, limit }: Options): ParkedOptions {
  const odd = status?.find((one) => !statuses.includes(one as ParkedStatus))
  if (odd !== undefined) throw usage(`--status ${odd} is none`, `Known are ${statuses.join(', ')}.`)
  return {
    limit,
    ...(subscription === undefined ? {} : { subscription }),
    ...(stream === undefined ? {} : { stream }),
    ...(status === undefined ? {} : { statuses: status as readonly ParkedStatus[] }),
  }
}

/** On a terminal: what fits. */
const tableColumns: readonly Column<ParkedEvent>[] = [
  { title: 'Subscription', text: ({ subscription }) => visible(subscription), leastWidth: 24 },
  { title: 'Position', text: ({ position }) => String(position), isNumber: true },
  { title: 'Stream', text: ({ stream }) => visible(stream), leastWidth: 12 },
  { title: 'Type', text: ({ type }) => visible(type) },
  { title: 'Status', text: ({ status }) => status },
  { title: 'Attempts', text: ({ attempts }) => String(attempts), isNumber: true },
  { title: 'Error', text: ({ error, reason }) => visible(reason ?? error ?? ''), isWrapped: true },
]

/** In a pipe: when it failed, too. */
const lineColumns: readonly Column<ParkedEvent>[] = [
  ...tableColumns,
  { title: 'Failed', text: ({ failedAtMs }) => instant(failedAtMs) },
]

/** A time as the command line writes them. */
export function instant(timeMs: number): string {
  return new Date(timeMs).toISOString()
}

/** An event aside for a program, its times as elsewhere. */
export function parkedJson({ nextAtMs, failedAtMs, changedAtMs, ...event }: ParkedEvent): object {
  const nextAt = nextAtMs === null ? null : instant(nextAtMs)
  return { ...event, nextAt, failedAt: instant(failedAtMs), changedAt: instant(changedAtMs) }
}

/** The event at a position that followers of a name have put aside; one each for several versions of it. */
export function asideAt(book: Book, subscription: string, position: number): Promise<readonly ParkedEvent[]> {
  return book.subscriptions.parked({ subscription, position, statuses, limit: 10_000 })
}
