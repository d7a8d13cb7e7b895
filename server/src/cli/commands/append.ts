import type { Command } from 'commander'
import type { Appended, ExpectedVersion, NewEvent } from 'daybook'
import { appendLines } from '../event-lines/append-lines.ts'
import { requireFile } from '../event-lines/file-lines.ts'
import { writeEvents } from '../event-output.ts'
import { usage } from '../failures.ts'
import { explained } from '../help.ts'
import { definitionsOf, openToWrite } from '../opening.ts'
import type { Output } from '../output.ts'
import type { Session, Tools } from '../session.ts'
import { counted } from '../text.ts'
import { jsonArgument, repeatable, wholeNumber } from '../values.ts'
import { type WriteOptions, withWriteOptions, writeOptionsFrom } from '../write-options.ts'

interface AppendOptions extends WriteOptions {
  readonly expectedVersion?: ExpectedVersion
  readonly tag?: readonly string[]
  readonly file?: string
  readonly fromLine?: number
}

/** `daybook append`: an event to a stream, or a file of events. */
export function addAppend(program: Command, session: Session): void {
  const command = explained(program.command('append [stream] [type] [data]'), {
    summary: 'append an event, or a file of events',
    purpose:
      'Appends an event to a stream; data is a JSON object, {} when left out, and - reads it from standard input. Where the configuration has a decider of the stream’s category, its schemas check the data.\n\n' +
      'With --file it appends an event for each line, in the order of the file. A line is a JSON object with stream, type and data; if wanted with tags, id, schemaVersion, expectedVersion, idempotencyKey, actor, reason, ip, correlationId, causationId, occurredAt and metadata. It stops at the first bad line: what stands before it is appended, and --from-line goes on from there. An idempotency key given for a file makes appending the file again harmless.',
    examples: [
      [`daybook append account-42 MoneyDeposited '{"cents":500}' --actor teller-7`, 'append one event'],
      [`daybook append account-42 AccountOpened '{"owner":"Ada"}' --expected-version none`, 'begin a stream'],
      ['gunzip -c events.ndjson.gz | daybook append --file -', 'append many events'],
    ],
  })
  withWriteOptions(command)
    .option('--expected-version <version>', 'a number, none, exists or any (the default)', expectedVersion)
    .option('--tag <tag>', 'a tag (repeatable)', repeatable)
    .option('--file <file>', 'a file of events, one JSON object a line; - for standard input')
    .option('--from-line <number>', 'with --file: the first line to append', wholeNumber(1))
    .action((stream: string | undefined, type: string | undefined, data: string | undefined) =>
      session.run((tools) => append(tools, [stream, type, data], command.opts<AppendOptions>())),
    )
}

function expectedVersion(text: string): ExpectedVersion {
  if (text === 'none' || text === 'exists' || text === 'any') return text
  return wholeNumber(0)(text)
}

async function append(
  tools: Tools,
  [stream, type, data]: readonly (string | undefined)[],
  options: AppendOptions,
): Promise<void> {
  const { output } = tools
  const { file, fromLine = 1, tag, expectedVersion = 'any' } = options
  const write = writeOptionsFrom(options)
  if (file !== undefined) {
    if (stream !== undefined) throw usage('give a stream and type, or --file, not both')
    if (tag !== undefined || expectedVersion !== 'any')
      throw usage('with --file, tags and expectedVersion stand in the lines')
    requireFile(file)
    const defined = await definitionsOf(tools)
    await using book = await openToWrite(tools)
    await appendLines(tools, { book, defined, file, fromLine, write })
    return
  }
  if (stream === undefined || type === undefined)
    throw usage(
      'append needs a stream and an event type, or --file',
      'daybook append account-42 AccountClosed',
    )
  const given = (await jsonArgument(tools.shell, data, 'data')) ?? {}
  const event: NewEvent = { type, data: given, ...(tag === undefined ? {} : { tags: tag }) }
  await using book = await openToWrite(tools)
  await writeAppended(output, await book.append(stream, event, { ...write, expectedVersion }))
}

async function writeAppended(output: Output, { events, position, isRepeat }: Appended): Promise<void> {
  if (output.form === 'json') return output.object({ events, position, isRepeat })
  await writeEvents(output, [events])
  if (isRepeat) await output.note('This idempotency key was used before: nothing new was appended.')
  else await output.note(`Appended ${counted(events.length, 'event')}.`)
}
