import type { Command } from 'commander'
import { copiesOf } from '../../copies.ts'
import { explained } from '../../help.ts'
import { definitionsOf, openToManage } from '../../opening.ts'
import type { Session, Tools } from '../../session.ts'
import { visible } from '../../text.ts'

/** `daybook projections pause`: halts a rebuild. */
export function addPause(group: Command, session: Session): void {
  explained(group.command('pause <name>'), {
    summary: 'halt the filling of the next copy',
    purpose:
      'Halts the filling of a copy, in whichever process it runs, until it is resumed; the copy that serves goes on. To halt a projection itself, or anything else that follows the book, see daybook subscriptions pause.',
    examples: [['daybook projections pause balances', 'when it is in the way']],
  }).action((name: string) => session.run((tools) => decide(tools, name, 'pause')))
}

/** `daybook projections resume`: lets a rebuild go on. */
export function addResume(group: Command, session: Session): void {
  explained(group.command('resume <name>'), {
    summary: 'let the filling of the next copy go on',
    purpose:
      'Lets a filling go on that was paused. Whoever waits for it does it: a process that has the projection, or a rebuild that runs. Where nobody does, rebuild goes on with it.',
    examples: [['daybook projections resume balances', 'go on']],
  }).action((name: string) => session.run((tools) => decide(tools, name, 'resume')))
}

/** `daybook projections cancel`: gives a rebuild up. */
export function addCancel(group: Command, session: Session): void {
  explained(group.command('cancel <name>'), {
    summary: 'give the next copy up',
    purpose:
      'Gives the copy up that is being filled, or is filled and waits; what is stored of it is removed. The copy that serves goes on. Where running processes have newer code, deploy the older code too.',
    examples: [['daybook projections cancel balances', 'it was a mistake']],
  }).action((name: string) => session.run((tools) => decide(tools, name, 'cancel')))
}

async function decide(tools: Tools, name: string, action: 'pause' | 'resume' | 'cancel'): Promise<void> {
  const { output } = tools
  await using book = await openToManage(tools, await definitionsOf(tools, 'store'))
  const { next, serving } = await copiesOf(book, name)
  await book.rebuilds[action](name)
  if (output.form === 'json') return await output.object(await copiesOf(book, name))
  const copy = next?.subscription ?? name
  const done = {
    pause: `${copy} is paused at position ${next?.position}; \`daybook projections resume ${name}\` lets it go on.`,
    resume: `${copy} goes on from position ${next?.position}, where a process waits for it; else \`daybook projections rebuild ${name}\` goes on with it.`,
    cancel: `${copy} is given up; ${serving.subscription} serves on.`,
  }
  await output.line(visible(done[action]))
}
