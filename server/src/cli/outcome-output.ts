import type { Book } from 'daybook'
import { writeEvents } from './event-output.ts'
import { exitCodes } from './failures.ts'
import type { Tools } from './session.ts'
import { jsonText, valueText } from './text.ts'

/** What a command led to. */
export type Outcome = Awaited<ReturnType<Book['run']>>

/** Prints an outcome: its events, version, position and state, or the refusal. Returns the exit code of a refusal. */
export async function writeOutcome({ output }: Tools, outcome: Outcome): Promise<number | undefined> {
  const exitCode = outcome.refused === undefined ? undefined : exitCodes.refused[0]
  if (output.form === 'json') {
    await output.object(outcomeJson(outcome))
    return exitCode
  }
  if (outcome.events.length > 0) {
    await writeEvents(output, [outcome.events])
    if (output.form === 'table') await output.line('')
  }
  await output.sheet(entriesOf(outcome))
  if (outcome.isRepeat)
    await output.note('This idempotency key was used before: this is the first outcome again.')
  return exitCode
}

function outcomeJson({ refused, events, version, position, state, isRepeat }: Outcome): unknown {
  if (refused === undefined) return { events, version, position, state, isRepeat }
  const { reason, facts } = refused
  return { refused: { reason, facts }, events, version, position, state, isRepeat }
}

function entriesOf({ refused, version, position, state, events }: Outcome): [string, string][] {
  const stands: [string, string][] = [
    ['version', String(version)],
    ['position', String(position)],
    ['state', jsonText(state)],
  ]
  if (refused === undefined) return events.length > 0 ? stands : [['decided', 'nothing to do'], ...stands]
  const facts: [string, string][] = refused.facts === undefined ? [] : [['facts', jsonText(refused.facts)]]
  return [['refused', valueText(refused.reason)], ...facts, ...stands]
}
