import { type Command, Option } from 'commander'
import type { PendingProcess, WaitsFor } from 'daybook'
import { defaultCommand, refuseWords } from '../../command-group.ts'
import { explained } from '../../help.ts'
import { definitionsOf, openToWatch, processNamed } from '../../opening.ts'
import type { Session, Tools } from '../../session.ts'
import type { Column } from '../../tables.ts'
import { durationText, visible } from '../../text.ts'
import { durationMs, wholeNumber } from '../../values.ts'

interface Options {
  readonly process?: string
  readonly olderThan?: number
  readonly limit: number
}

/** `daybook pending list`: instances that are not finished. */
export function addList(group: Command, session: Session): void {
  const command = explained(defaultCommand(group, 'list'), {
    summary: 'list what is not finished, the oldest first',
    purpose:
      'Lists the instances of process managers that are not finished, the oldest first: since when each runs and what it waits for. One is overdue when it took longer than the pendingLimitMs of its manager. It reads what the process that runs them keeps: where nobody does, it is as of the last time somebody did, and a deadline may lie in the past.',
    examples: [
      ['daybook pending', 'all of them'],
      ['daybook pending --process settlement --older-than 24h', 'those of one manager, older than a day'],
      ['daybook pending --json', 'for a program'],
    ],
  })
  command
    .option('--process <name>', 'of one process manager')
    .option('--older-than <time>', 'only those that began so long ago: 90s, 30m, 24h, 7d', durationMs)
    .addOption(
      new Option('--limit <instances>', 'at most so many of each manager, up to 10000')
        .argParser(wholeNumber(1))
        .default(1_000),
    )
    .action(() =>
      session.run((tools) => {
        refuseWords(command)
        return list(tools, command.opts<Options>())
      }),
    )
}

async function list(tools: Tools, { process, olderThan, limit }: Options): Promise<void> {
  const { output } = tools
  const defined = await definitionsOf(tools)
  const manager = process === undefined ? {} : { process: processNamed(defined, process) }
  await using book = await openToWatch({ ...defined, projections: [], sqlProjections: [] })
  const found = await book.processes.pending({ ...manager, olderThanMs: olderThan ?? 0, limit })
  await output.list([found], columns, (pending) => pending)
  if (found.length === 0) await output.note(noneText(defined.processes?.length ?? 0))
}

function noneText(managers: number): string {
  return managers === 0 ? 'The configuration has no processes.' : 'No such process is pending.'
}

const columns: readonly Column<PendingProcess>[] = [
  { title: 'Process', text: ({ process }) => visible(process), leastWidth: 12 },
  { title: 'Key', text: ({ key }) => visible(key) },
  { title: 'Since', text: ({ startedAt }) => startedAt, leastWidth: 24 },
  { title: 'Age', text: ({ ageMs }) => durationText(ageMs), isNumber: true },
  { title: 'Overdue', text: ({ isOverdue }) => (isOverdue ? 'overdue' : '') },
  { title: 'Waits for', text: ({ waitsFor }) => waitsText(waitsFor), isWrapped: true, leastWidth: 24 },
]

/** What an instance waits for, a line each. */
export function waitsText(waitsFor: readonly WaitsFor[]): string {
  return waitsFor.length === 0 ? 'events' : waitsFor.map((one) => visible(waitText(one))).join('\n')
}

function waitText(wait: WaitsFor): string {
  if (wait.kind === 'deadline') return `deadline ${wait.name} at ${wait.dueAt}`
  const { command, since } = wait
  const what =
    command.kind === 'decision' ? command.name : `${command.category} ${command.id} ${command.name}`
  return `command ${what} since ${since}`
}
