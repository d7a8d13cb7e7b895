import type { Command } from 'commander'
import { usage } from '../failures.ts'
import { explained } from '../help.ts'
import { deciderNamed, definitionsOf, openToRead } from '../opening.ts'
import type { Session, Tools } from '../session.ts'
import { visible } from '../text.ts'
import { instantMs, wholeNumber } from '../values.ts'

interface StateOptions {
  readonly atVersion?: number
  readonly atPosition?: number
  readonly atTime?: number
  readonly recorded?: boolean
}

/** `daybook state`: what the events of one subject fold to, now or then. */
export function addState(program: Command, session: Session): void {
  const command = explained(program.command('state <decider> <id>'), {
    summary: 'show the state of one subject, now or then',
    purpose:
      'Folds the events of one subject to its state: all of them, or those up to a version, a position or a time. By time, the business time of an event counts where it carries one; with --recorded, when it was recorded: what was known then.',
    examples: [
      ['daybook state account 42', 'the state now'],
      ['daybook state account 42 --at-version 3', 'right after the third event'],
      ['daybook state account 42 --at-time 1993-12-31', 'at the turn of that day, by business time'],
    ],
  })
  command
    .option('--at-version <version>', 'right after this version', wholeNumber(0))
    .option('--at-position <position>', 'when the log ended here', wholeNumber(0))
    .option('--at-time <time>', 'at this time, ISO 8601, inclusive', instantMs)
    .option('--recorded', 'with --at-time: by recorded instead of business time')
    .action((decider: string, id: string) =>
      session.run((tools) => state(tools, decider, id, command.opts<StateOptions>())),
    )
}

async function state(
  tools: Tools,
  category: string,
  id: string,
  { atVersion, atPosition, atTime, recorded }: StateOptions,
): Promise<void> {
  const { output } = tools
  if ([atVersion, atPosition, atTime].filter((bound) => bound !== undefined).length > 1)
    throw usage('give one of --at-version, --at-position and --at-time')
  if (recorded === true && atTime === undefined) throw usage('--recorded goes with --at-time')
  const decider = deciderNamed(await definitionsOf(tools), category)
  await using book = await openToRead(tools, 'definitions')
  const loaded = await book.load<unknown>(decider, id, {
    atVersion,
    atPosition,
    atTime: atTime === undefined ? undefined : new Date(atTime).toISOString(),
    timeline: recorded === true ? 'recorded' : undefined,
  })
  const stream = `${category}-${id}`
  if (output.form === 'json') return await output.object({ stream, ...loaded })
  const indent = output.form === 'table' ? 2 : undefined
  const json = JSON.stringify(loaded.state, undefined, indent) ?? 'undefined'
  await output.sheet([
    ['stream', visible(stream)],
    ['version', String(loaded.version)],
    ['position', String(loaded.position)],
    ['state', json.split('\n').map(visible).join('\n')],
  ])
  if (loaded.version === 0)
    await output.note(`No event of ${stream} counts: this is the state before the first.`)
}
