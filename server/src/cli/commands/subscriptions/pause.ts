import type { Command } from 'commander'
import { explained } from '../../help.ts'
import { definitionsOf, openToManage } from '../../opening.ts'
import type { Session, Tools } from '../../session.ts'
import { visible } from '../../text.ts'

/** `daybook subscriptions pause`: nobody runs it. */
export function addPause(group: Command, session: Session): void {
  explained(group.command('pause <name>'), {
    summary: 'stop one in every process, until it is resumed',
    purpose:
      'Nobody runs it any more, in any process, until it is resumed; restarts change nothing about that. It takes the name of anything that follows the book, projections too: search, search@2, reaction mail. The code need not be in the configuration.',
    examples: [
      ['daybook subscriptions pause search', 'stop it'],
      [`daybook subscriptions pause 'reaction mail'`, 'where a name is that of several'],
    ],
  }).action((name: string) => session.run((tools) => decide(tools, name, 'pause')))
}

/** `daybook subscriptions resume`: whoever has it open runs it again. */
export function addResume(group: Command, session: Session): void {
  explained(group.command('resume <name>'), {
    summary: 'let one go on that was paused',
    purpose:
      'Lets it go on where it stopped: a process that has it open takes it up within seconds. This command does not run it.',
    examples: [['daybook subscriptions resume search', 'go on']],
  }).action((name: string) => session.run((tools) => decide(tools, name, 'resume')))
}

async function decide(tools: Tools, name: string, action: 'pause' | 'resume'): Promise<void> {
  const { output } = tools
  await using book = await openToManage(tools, await definitionsOf(tools, 'store'))
  await book.subscriptions[action](name)
  const isPaused = action === 'pause'
  if (output.form === 'json') return await output.object({ name, isPaused })
  const told = isPaused
    ? `${name} is paused: nobody runs it until \`daybook subscriptions resume ${name}\`.`
    : `${name} may go on: a process that has it open takes it up within seconds.`
  await output.line(visible(told))
}
