import type { Command } from 'commander'
import type { ParkedEvent, RecordedEvent } from 'daybook'
import { CommandFailure } from '../../failures.ts'
import { explained } from '../../help.ts'
import { openToRead } from '../../opening.ts'
import type { Session, Tools } from '../../session.ts'
import { jsonText, visible } from '../../text.ts'
import { wholeNumber } from '../../values.ts'
import { asideAt, instant, parkedJson } from './list.ts'

/** `daybook parked show`: one event, and why it is aside. */
export function addShow(group: Command, session: Session): void {
  explained(group.command('show <subscription>'), {
    summary: 'show one event put aside: the event, its error, its attempts',
    purpose:
      'Shows an event that was put aside, as it was recorded, with the last error, the number of attempts and when it is tried again; or who decided to skip it, and why.',
    examples: [['daybook parked show search 17', 'the event at position 17']],
  })
    .argument('<position>', 'position of the event in the log', wholeNumber(1))
    .action((name: string, position: number) => session.run((tools) => show(tools, name, position)))
}

async function show(tools: Tools, name: string, position: number): Promise<void> {
  const { output } = tools
  await using book = await openToRead(tools)
  const found = await asideAt(book, name, position)
  if (found.length === 0) throw notAside(name, position)
  const [event] = await book.readLog({ afterPosition: position - 1, toPosition: position }).toArray()
  for (const aside of found) {
    if (output.form === 'json') await output.object({ ...parkedJson(aside), event })
    else await output.sheet(entriesOf(aside, event))
  }
}

function notAside(name: string, position: number): CommandFailure {
  return new CommandFailure({
    code: 'NOT_PARKED',
    message: `${name} has no event aside at position ${position}`,
    facts: { follower: name, position },
  })
}

function entriesOf(aside: ParkedEvent, event: RecordedEvent | undefined): [string, string][] {
  const { subscription, position, stream, type, status, attempts, error, nextAtMs, reason, actor } = aside
  const entries: [string, string | undefined][] = [
    ['subscription', subscription],
    ['position', String(position)],
    ['stream', event === undefined ? stream : `${stream}, version ${event.version}`],
    ['type', type],
    ['id', aside.eventId],
    ['recorded', event?.recordedAt],
    ['data', event && jsonText(event.data)],
    ['metadata', event && jsonText(event.metadata)],
    ['status', status],
    ['attempts', String(attempts)],
    ['failed', instant(aside.failedAtMs)],
    ['error', error ?? undefined],
    ['tried again', nextAtMs === null ? undefined : instant(nextAtMs)],
    ['skipped by', actor ?? undefined],
    ['reason', reason ?? undefined],
  ]
  return entries.flatMap(([name, value]) => (value === undefined ? [] : [[name, visible(value)]]))
}
