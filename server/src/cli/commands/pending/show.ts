import type { Command } from 'commander'
import type { Book, ProcessState, RecordedEvent } from 'daybook'
import { writeEvents } from '../../event-output.ts'
import { CommandFailure } from '../../failures.ts'
import { explained } from '../../help.ts'
import { definitionsOf, openToWatch, processNamed } from '../../opening.ts'
import type { Session, Tools } from '../../session.ts'
import { visible } from '../../text.ts'
import { waitsText } from './list.ts'

/** `daybook pending show`: one instance, finished or not. */
export function addShow(group: Command, session: Session): void {
  explained(group.command('show <process> <key>'), {
    summary: 'show the state and the history of one instance',
    purpose:
      'Shows one instance of a process manager as it is now, finished or not: its state, what it waits for, and everything that happened to it in order: the events it took in, what it decided, and what became of that.',
    examples: [['daybook pending show settlement 7', 'the settlement of withdrawal 7']],
  }).action((name: string, key: string) => session.run((tools) => show(tools, name, key)))
}

async function show(tools: Tools, name: string, key: string): Promise<void> {
  const { output } = tools
  const defined = await definitionsOf(tools)
  const manager = processNamed(defined, name)
  await using book = await openToWatch({ ...defined, projections: [], sqlProjections: [] })
  const instance = await book.processes.state<unknown>(manager, key)
  if (instance === undefined) {
    throw new CommandFailure({
      code: 'NOT_FOUND',
      message: `${name} has no instance ${JSON.stringify(key)}`,
      hint: 'No event has begun one of this key, or nobody has run the process since.',
      facts: { process: name, key },
    })
  }
  const history = book.processes.history(manager, key).batches()
  if (output.form === 'json') return await writeJson(tools, { process: name, key, ...instance }, history)
  await output.sheet(entriesOf(name, key, instance))
  if (output.form === 'table') await output.line('')
  await writeEvents(output, history)
}

async function writeJson(
  { output }: Tools,
  instance: object,
  history: ReturnType<ReturnType<Book['processes']['history']>['batches']>,
): Promise<void> {
  await output.object({ kind: 'process', ...instance })
  for await (const batch of history as AsyncIterable<readonly RecordedEvent[]>)
    for (const event of batch) await output.object({ kind: 'event', ...event })
}

function entriesOf(
  name: string,
  key: string,
  { state, isFinished, waitsFor, version }: ProcessState<unknown>,
): [string, string][] {
  return [
    ['process', visible(name)],
    ['key', visible(key)],
    ['state', visible(JSON.stringify(state) ?? 'undefined')],
    ['finished', isFinished ? 'yes' : 'no'],
    ['waits for', isFinished && waitsFor.length === 0 ? 'nothing' : waitsText(waitsFor)],
    ['version', String(version)],
  ]
}
