import type { Command } from 'commander'
import type { Book, BookOptions, RecordedEvent } from 'daybook'
import { csvLine } from '../csv.ts'
import { usage } from '../failures.ts'
import { explained } from '../help.ts'
import { definitionsOf, openToRead } from '../opening.ts'
import type { Output } from '../output.ts'
import type { Session, Tools } from '../session.ts'
import { changesBetween, type FieldChange } from '../state-changes.ts'
import type { Column } from '../tables.ts'
import { jsonText, visible } from '../text.ts'
import { instantMs, repeatable, wholeNumber } from '../values.ts'

interface HistoryOptions {
  readonly type?: readonly string[]
  readonly actor?: readonly string[]
  readonly fromVersion?: number
  readonly toVersion?: number
  readonly since?: number
  readonly until?: number
  readonly recorded?: boolean
  readonly csv?: boolean
}

/** An event, and what it changed where a decider knows. */
interface Entry {
  readonly event: RecordedEvent
  readonly changes: readonly FieldChange[] | undefined
}

/** `daybook history`: who did what to a stream, when and why, and what that changed. */
export function addHistory(program: Command, session: Session): void {
  const command = explained(program.command('history <stream>'), {
    summary: 'show who changed what in a stream, when and why',
    purpose:
      'Lists the events of a stream with who, when and why, and where its category has a decider, what each changed in the state: field, before → after. Filters leave out lines, never their effect on the states. --since and --until go by business time where an event carries one; with --recorded, by recorded time.',
    examples: [
      ['daybook history account-42', 'all of it'],
      ['daybook history account-42 --actor teller-7 --since 1998-01-01', 'what one person did since'],
      ['daybook history account-42 --csv > account-42.csv', 'for a spreadsheet'],
    ],
  })
  command
    .option('--type <type>', 'only this type (repeatable)', repeatable)
    .option('--actor <who>', 'only by this actor (repeatable)', repeatable)
    .option('--from-version <version>', 'from this version, inclusive', wholeNumber(1))
    .option('--to-version <version>', 'up to this version, inclusive', wholeNumber(0))
    .option('--since <time>', 'from this time, ISO 8601, inclusive', instantMs)
    .option('--until <time>', 'up to this time, ISO 8601, inclusive', instantMs)
    .option('--recorded', 'with --since and --until: by recorded instead of business time')
    .option('--csv', 'print CSV with a head line')
    .action((stream: string) =>
      session.run((tools) => history(tools, stream, command.opts<HistoryOptions>())),
    )
}

async function history(tools: Tools, stream: string, options: HistoryOptions): Promise<void> {
  const { output, signal } = tools
  if (options.csv === true && output.form === 'json') throw usage('give --csv or --json, not both')
  const defined = await definitionsOf(tools)
  await using book = await openToRead(tools, 'definitions')
  const found = entries(book, defined, stream, options, signal)
  const count = options.csv === true ? await writeCsv(output, found) : await writeEntries(output, found)
  if (count === 0 && options.csv !== true) {
    const isNarrowed = Object.keys(options).length > 0
    await output.note(`${stream} has no ${isNarrowed ? 'such ' : ''}events.`)
  }
}

/** The events that pass the filters, page by page; all up to the last one wanted are folded. */
async function* entries(
  book: Book,
  defined: BookOptions,
  stream: string,
  options: HistoryOptions,
  signal: AbortSignal,
): AsyncGenerator<readonly Entry[]> {
  const category = stream.slice(0, Math.max(0, stream.indexOf('-')))
  const decider = (defined.deciders ?? []).find(({ definition }) => definition.category === category)
  const fold = decider?.definition.fold
  let state = fold?.initial()
  const { toVersion } = options
  const slice = { signal, ...(toVersion === undefined ? {} : { toVersion }) }
  for await (const batch of book.readStream(stream, slice).batches()) {
    const page: Entry[] = []
    for (const event of batch) {
      const before = state
      state = fold?.evolve(state, event)
      if (!isWanted(event, options)) continue
      page.push({ event, changes: fold === undefined ? undefined : changesBetween(before, state) })
    }
    yield page
  }
}

function isWanted(event: RecordedEvent, options: HistoryOptions): boolean {
  const { type, actor, fromVersion = 1, since, until, recorded } = options
  const { occurredAt, actor: who = '' } = event.metadata
  const timeMs = Date.parse(recorded === true ? event.recordedAt : (occurredAt ?? event.recordedAt))
  return (
    event.version >= fromVersion &&
    (type === undefined || type.includes(event.type)) &&
    (actor === undefined || actor.includes(who)) &&
    (since === undefined || timeMs >= since) &&
    (until === undefined || timeMs <= until)
  )
}

const tableColumns: readonly Column<Entry>[] = [
  { title: 'Version', text: ({ event }) => String(event.version), isNumber: true },
  { title: 'Event', text: ({ event }) => happeningOf(event), isWrapped: true, leastWidth: 24 },
  { title: 'Data', text: ({ event }) => fieldTexts(event.data).join('\n'), isWrapped: true },
  { title: 'Changed', text: changedText, isWrapped: true },
]

const lineColumns: readonly Column<Entry>[] = [
  { title: 'Version', text: ({ event }) => String(event.version) },
  { title: 'Position', text: ({ event }) => String(event.position) },
  { title: 'Recorded', text: ({ event }) => event.recordedAt },
  { title: 'Occurred', text: ({ event }) => event.metadata.occurredAt ?? '' },
  { title: 'Type', text: ({ event }) => visible(event.type) },
  { title: 'Actor', text: ({ event }) => visible(event.metadata.actor ?? '') },
  { title: 'Reason', text: ({ event }) => visible(event.metadata.reason ?? '') },
  { title: 'Data', text: ({ event }) => jsonText(event.data) },
  { title: 'Changes', text: ({ changes = [] }) => changes.map(changeText).join('; ') },
]

/** What, when, who and why, below each other. */
function happeningOf({ type, position, recordedAt, metadata }: RecordedEvent): string {
  const { occurredAt, actor, reason, ip } = metadata
  const times = occurredAt === undefined ? [recordedAt] : [occurredAt, `recorded ${recordedAt}`]
  const who = [
    actor === undefined ? undefined : `by ${actor}`,
    reason,
    ip === undefined ? undefined : `from ${ip}`,
  ]
  const said = who.flatMap((part) => (part === undefined ? [] : [visible(part)]))
  return [visible(type), ...times, ...said, `position ${position}`].join('\n')
}

function changedText({ changes }: Entry): string {
  return changes === undefined ? '' : changes.map(changeText).join('\n') || 'nothing'
}

/** The fields of an event's data, one a line. */
function fieldTexts(data: unknown): readonly string[] {
  return Object.entries(data as { readonly [field: string]: unknown }).map(
    ([field, value]) => `${visible(field)} ${jsonText(value)}`,
  )
}

function changeText({ path, before, after }: FieldChange): string {
  const field = path === '' ? 'state' : visible(path)
  if (before === undefined) return `${field} ${jsonText(after)}`
  return `${field} ${jsonText(before)} → ${after === undefined ? 'gone' : jsonText(after)}`
}

function writeEntries(output: Output, found: AsyncIterable<readonly Entry[]>): Promise<number> {
  const columns = output.form === 'table' ? tableColumns : lineColumns
  return output.list(found, columns, ({ event, changes }) =>
    changes === undefined ? event : { ...event, changes },
  )
}

const csvHead = 'stream,version,position,recordedAt,occurredAt,type,id,actor,reason,ip,data,changes'.split(
  ',',
)

async function writeCsv(output: Output, found: AsyncIterable<readonly Entry[]>): Promise<number> {
  let count = 0
  await output.text(csvLine(csvHead))
  for await (const page of found) {
    for (const { event, changes } of page) {
      const { stream, version, position, recordedAt, type, id, data, metadata } = event
      const { occurredAt = '', actor = '', reason = '', ip = '' } = metadata
      const own = [
        stream,
        String(version),
        String(position),
        recordedAt,
        occurredAt,
        type,
        id,
        actor,
        reason,
        ip,
      ]
      await output.text(
        csvLine([...own, JSON.stringify(data), changes === undefined ? '' : JSON.stringify(changes)]),
      )
    }
    count += page.length
  }
  return count
}
