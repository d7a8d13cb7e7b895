import type { Command } from 'commander'
import type { Book } from 'daybook'
import { explained } from '../help.ts'
import { definitionsOf, openToRead } from '../opening.ts'
import type { Form } from '../output.ts'
import { Progress } from '../progress.ts'
import type { Session, Tools } from '../session.ts'
import { bytesOf } from '../store-address.ts'
import type { Column } from '../tables.ts'
import { bytesText, countText, visible } from '../text.ts'

/** What is counted of one category or type. */
interface Count {
  readonly name: string
  events: number
  /** Of a category. */
  streams: number
}

/** `daybook stats`: what is in the log. */
export function addStats(program: Command, session: Session): void {
  explained(program.command('stats'), {
    summary: 'count what is in the log',
    purpose:
      'Reads the whole log and counts events, streams, categories and types; says when the first and the last event was recorded, and how large the store is.',
    examples: [
      ['daybook stats', 'for the store of the configuration'],
      ['daybook stats --store sqlite:bank.db --json', 'for any store, for a program'],
    ],
  }).action(() => session.run(stats))
}

async function stats(tools: Tools): Promise<void> {
  const { output, shell, signal } = tools
  const { store } = await definitionsOf(tools, 'store')
  await using book = await openToRead(tools)
  const head = await book.head()
  const categories = new Map<string, Count>()
  const types = new Map<string, Count>()
  const recorded: { first: string | null; last: string | null } = { first: null, last: null }
  {
    await using progress = new Progress(shell, 'counting')
    for await (const batch of book.readLog({ toPosition: head, signal }).batches()) {
      for (const { category, type, version } of batch) {
        // The first event of a stream is the one of version 1, so no list of streams need be kept.
        add(categories, category, version === 1 ? 1 : 0)
        add(types, type, 0)
      }
      recorded.first ??= batch[0]?.recordedAt ?? null
      recorded.last = batch.at(-1)?.recordedAt ?? recorded.last
      progress.at(batch.at(-1)?.position ?? 0, head)
    }
  }
  const streams = [...categories.values()].reduce((sum, one) => sum + one.streams, 0)
  const bytes = bytesOf(store) ?? (await inspectedBytes(book))
  if (output.form === 'json') {
    await output.object({
      store: store.name,
      events: head,
      streams,
      categories: listed(categories).map(({ name, events, streams }) => ({
        category: name,
        events,
        streams,
      })),
      types: listed(types).map(({ name, events }) => ({ type: name, events })),
      firstRecordedAt: recorded.first,
      lastRecordedAt: recorded.last,
      ...(bytes === undefined ? {} : { bytes }),
    })
    return
  }
  const number = output.form === 'table' ? countText : String
  await output.sheet([
    ['store', visible(store.name)],
    ['events', number(head)],
    ['streams', number(streams)],
    ['first recorded', recorded.first ?? 'never'],
    ['last recorded', recorded.last ?? 'never'],
    ...(bytes === undefined
      ? []
      : ([['size', output.form === 'table' ? bytesText(bytes) : String(bytes)]] as const)),
  ])
  for (const [title, counts] of [
    ['Category', categories],
    ['Type', types],
  ] as const) {
    if (output.form === 'table') await output.line('')
    await output.list([listed(counts)], columnsOf(title, output.form), (count) => count)
  }
}

/** What a store without a file says of its size. */
async function inspectedBytes(book: Book): Promise<number | undefined> {
  const { bytes } = (await book.inspect()).facts
  return typeof bytes === 'number' ? bytes : undefined
}

function add(counts: Map<string, Count>, name: string, streams: number): void {
  const count = counts.get(name) ?? { name, events: 0, streams: 0 }
  count.events++
  count.streams += streams
  counts.set(name, count)
}

function listed(counts: ReadonlyMap<string, Count>): readonly Count[] {
  return [...counts.values()].sort(
    (one, other) => other.events - one.events || (one.name < other.name ? -1 : 1),
  )
}

/** In a pipe the first cell says what is counted, since no head does. */
function columnsOf(title: 'Category' | 'Type', form: Form): readonly Column<Count>[] {
  const isTable = form === 'table'
  const number = isTable ? countText : String
  const kind: Column<Count> = { title: '', text: () => title.toLowerCase() }
  const name: Column<Count> = { title, text: (count) => visible(count.name) }
  const events: Column<Count> = { title: 'Events', text: (count) => number(count.events), isNumber: true }
  const streams: Column<Count> = { title: 'Streams', text: (count) => number(count.streams), isNumber: true }
  return [...(isTable ? [] : [kind]), name, events, ...(title === 'Category' ? [streams] : [])]
}
