import type { Command } from 'commander'
import type { Book, QueryItem, ReadLogOptions, ReadStreamOptions, RecordedEvent } from 'daybook'
import { writeEvents } from '../event-output.ts'
import { usage } from '../failures.ts'
import { explained } from '../help.ts'
import { openToRead } from '../opening.ts'
import type { Session, Tools } from '../session.ts'
import { repeatable, wholeNumber } from '../values.ts'

interface ReadOptions {
  readonly fromVersion?: number
  readonly toVersion?: number
  readonly backwards?: boolean
  readonly type?: readonly string[]
  readonly category?: readonly string[]
  readonly tag?: readonly string[]
  readonly after?: number | 'head'
  readonly to?: number
  readonly limit?: number
  readonly follow?: boolean
}

/** `daybook read`: a stream, or the log. */
export function addRead(program: Command, session: Session): void {
  const command = explained(program.command('read [stream]'), {
    summary: 'read a stream, or the log',
    purpose:
      'Reads the events of a stream in the order of their versions, or those of the whole log in the order of their positions.',
    examples: [
      ['daybook read account-42 --backwards --limit 5', 'the last five events of a stream'],
      ['daybook read --category account --type MoneyWithdrawn --json', 'part of the log, for a program'],
      ['daybook read --after head --follow', 'what is recorded from now on, until Ctrl-C'],
    ],
  })
  const forStream = 'of a stream: '
  const forLog = 'of the log: '
  command
    .option('--type <type>', 'only this type (repeatable)', repeatable)
    .option('--limit <events>', 'at most so many events', wholeNumber(0))
    .option('--follow', 'wait for more, until Ctrl-C')
    .option('--from-version <version>', `${forStream}from here, inclusive`, wholeNumber(1))
    .option('--to-version <version>', `${forStream}up to here, inclusive`, wholeNumber(0))
    .option('--backwards', `${forStream}the last event first`)
    .option('--category <category>', `${forLog}only this category (repeatable)`, repeatable)
    .option('--tag <tag>', `${forLog}only events with this tag (repeatable: with all of them)`, repeatable)
    .option('--after <position>', `${forLog}from here, exclusive; head for the end`, afterPosition)
    .option('--to <position>', `${forLog}up to here, inclusive`, wholeNumber(0))
    .action((stream: string | undefined) =>
      session.run((tools) => read(tools, stream, command.opts<ReadOptions>())),
    )
}

function afterPosition(text: string): number | 'head' {
  return text === 'head' ? text : wholeNumber(0)(text)
}

async function read(tools: Tools, stream: string | undefined, options: ReadOptions): Promise<void> {
  const { output } = tools
  refuseUnfit(stream, options)
  await using book = await openToRead(tools)
  const batches =
    stream === undefined
      ? book.readLog(await logOptions(book, options, tools.signal)).batches()
      : streamBatches(book, stream, options, tools.signal)
  const count = await writeEvents(output, batches)
  if (count > 0 || options.follow === true) return
  const isNarrowed = Object.keys(options).length > 0
  if (stream !== undefined) await output.note(`${stream} has no ${isNarrowed ? 'such ' : ''}events.`)
  else await output.note(isNarrowed ? 'The log has no such events.' : 'The log is empty.')
}

const ofStreams = ['fromVersion', 'toVersion', 'backwards'] as const
const ofTheLog = ['category', 'tag', 'after', 'to'] as const

function refuseUnfit(stream: string | undefined, options: ReadOptions): void {
  const unfit = (stream === undefined ? ofStreams : ofTheLog).find((name) => options[name] !== undefined)
  if (unfit !== undefined) {
    const flag = `--${unfit.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    throw usage(
      `${flag} is for reading ${stream === undefined ? 'a stream: name it' : 'the log: name no stream'}`,
    )
  }
  if (options.follow === true && (options.backwards === true || options.toVersion !== undefined))
    throw usage('--follow goes forwards and has no end: leave out --backwards and --to-version')
}

async function logOptions(book: Book, options: ReadOptions, signal: AbortSignal): Promise<ReadLogOptions> {
  const { type, category, tag, after, to, limit, follow } = options
  const query: QueryItem = {
    ...(type === undefined ? {} : { types: type }),
    ...(category === undefined ? {} : { categories: category }),
    ...(tag === undefined ? {} : { tags: tag }),
  }
  return {
    signal,
    afterPosition: after === 'head' ? await book.head() : (after ?? 0),
    ...(Object.keys(query).length === 0 ? {} : { query }),
    ...(to === undefined ? {} : { toPosition: to }),
    ...(limit === undefined ? {} : { limit }),
    ...(follow === true ? { follow } : {}),
  }
}

async function* streamBatches(
  book: Book,
  stream: string,
  { fromVersion, toVersion, backwards, type, limit, follow }: ReadOptions,
  signal: AbortSignal,
): AsyncGenerator<readonly RecordedEvent[]> {
  const head = await book.head()
  const slice: ReadStreamOptions = {
    signal,
    ...(backwards === true ? { direction: 'backwards' } : {}),
    ...(fromVersion === undefined ? {} : { fromVersion }),
    ...(toVersion === undefined ? {} : { toVersion }),
    ...(type === undefined ? {} : { types: type }),
    ...(limit === undefined ? {} : { limit }),
  }
  let count = 0
  let last = 0
  for await (const batch of book.readStream(stream, slice).batches()) {
    count += batch.length
    last = batch.at(-1)?.position ?? last
    yield batch
  }
  if (follow !== true || (limit !== undefined && count >= limit)) return
  // A stream is followed in the log, from the end it had before it was read; what was read already is left out.
  const query: QueryItem = {
    categories: [stream.slice(0, stream.indexOf('-'))],
    ...(type === undefined ? {} : { types: type }),
  }
  const more = book.readLog({ afterPosition: Math.max(head, last), query, follow, signal })
  for await (const batch of more.batches()) {
    const own = batch.filter((event) => event.stream === stream && event.version >= (fromVersion ?? 1))
    yield own.slice(0, limit === undefined ? undefined : limit - count)
    count += own.length
    if (limit !== undefined && count >= limit) return
  }
}
