import type { Command } from 'commander'
import type { BookOptions, FollowerStatus } from 'daybook'
import { usage } from '../../failures.ts'
import { explained } from '../../help.ts'
import { definitionsOf, openToManage, openToWatch } from '../../opening.ts'
import type { Session, Tools } from '../../session.ts'
import { counted, visible } from '../../text.ts'
import { wholeNumber } from '../../values.ts'
import { isNamed } from '../subscriptions/show.ts'

/** `daybook parked retry`: once more. */
export function addRetry(group: Command, session: Session): void {
  const command = explained(group.command('retry <subscription>'), {
    summary: 'have events tried once more',
    purpose:
      'Makes events due at once that are parked or retrying: those at the positions given, or all of the subscription. This command tries none itself: the process that runs the subscription does, within a second. An event that fails once more is parked again.',
    examples: [
      ['daybook parked retry search 17', 'one event'],
      ['daybook parked retry search --all', 'all of them, after a repair'],
    ],
  })
  command
    .argument('[positions...]', 'positions of the events in the log', positions)
    .option('--all', 'all that are parked or retrying')
    .action((name: string, at: readonly number[] | undefined) =>
      session.run((tools) => retry(tools, name, at ?? [], command.opts<{ readonly all?: boolean }>())),
    )
}

/** `daybook parked skip`: not at all. */
export function addSkip(group: Command, session: Session): void {
  const command = explained(group.command('skip <subscription>'), {
    summary: 'decide that an event is not to be handled',
    purpose:
      'Decides that an event is not to be handled, and says who decided it and why; both are kept with it. Later events of its stream go on. The event itself stays in the log as it is.',
    examples: [[`daybook parked skip search 17 --actor ada --reason 'account was a test'`, 'skip it']],
  })
  command
    .argument('<position>', 'position of the event in the log', wholeNumber(1))
    .option('--actor <who>', 'who decides it')
    .option('--reason <why>', 'why, in words')
    .action((name: string, position: number) =>
      session.run((tools) => skip(tools, name, position, command.opts<SkipOptions>())),
    )
}

interface SkipOptions {
  readonly actor?: string
  readonly reason?: string
}

/** Commander hands the words over one by one. */
function positions(text: string, before: readonly number[] | undefined): readonly number[] {
  return [...(before ?? []), wholeNumber(1)(text)]
}

async function retry(
  tools: Tools,
  name: string,
  at: readonly number[],
  { all = false }: { readonly all?: boolean },
): Promise<void> {
  if (all === at.length > 0) throw usage('give the positions of events, or --all')
  const { output } = tools
  const defined = await definitionsOf(tools, 'store')
  let count = 0
  {
    await using book = await openToManage(tools, defined)
    for (const which of all ? (['all'] as const) : at) count += await book.subscriptions.retry(name, which)
  }
  if (output.form === 'json') return await output.object({ subscription: name, retried: count })
  if (count === 0) return await output.line(`${visible(name)} has no event that could be tried again.`)
  await output.line(`${counted(count, 'event')} of ${visible(name)} ${count === 1 ? 'is' : 'are'} due now.`)
  await output.note(await whoTries(defined, name))
}

async function skip(
  tools: Tools,
  name: string,
  position: number,
  { actor, reason }: SkipOptions,
): Promise<void> {
  if (actor === undefined || reason === undefined)
    throw usage(
      'skip needs --actor and --reason',
      'A decision about an event always says who made it, and why.',
    )
  const { output } = tools
  await using book = await openToManage(tools, await definitionsOf(tools, 'store'))
  await book.subscriptions.skip(name, position, { actor, reason })
  if (output.form === 'json')
    return await output.object({ subscription: name, position, status: 'skipped', actor, reason })
  await output.line(
    `${visible(name)} leaves out the event at position ${position}; later ones of its stream go on.`,
  )
}

/** Who will try what is due: the process that runs it, as far as the configuration and the store tell. */
async function whoTries(defined: BookOptions, name: string): Promise<string> {
  await using book = await openToWatch(defined)
  const found = (await book.status()).filter((follower) => isNamed(follower, name))
  if (found.length === 0) return 'Whoever runs it tries within a second.'
  return found.map(runnerText).join(' ')
}

function runnerText({ name, isPaused, shards }: FollowerStatus): string {
  const owners = [...new Set(shards.flatMap(({ owner }) => owner ?? []))]
  if (isPaused) return `${name} is paused: it is tried after \`daybook subscriptions resume ${name}\`.`
  if (owners.length === 0) return `Nobody runs ${name} now: it is tried when a process starts that does.`
  return `${owners.join(', ')} runs ${name}, and tries within a second.`
}
