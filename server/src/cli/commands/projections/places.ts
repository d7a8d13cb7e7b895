import type { Command } from 'commander'
import type { BookOptions, CopyStatus, SwapResult } from 'daybook'
import { copiesSeen } from '../../copies.ts'
import { copyName } from '../../follower-output.ts'
import { explained } from '../../help.ts'
import { definitionsOf, openToManage, versionsOf } from '../../opening.ts'
import type { Session, Tools } from '../../session.ts'
import { counted } from '../../text.ts'

/** `daybook projections swap`: the next copy serves. */
export function addSwap(group: Command, session: Session): void {
  explained(group.command('swap <name>'), {
    summary: 'let the next copy serve',
    purpose:
      'Lets the copy serve that was filled beside, in one transaction. What it lacks is folded first, so that readers never see less than before. The copy that served is kept, for undo.',
    examples: [['daybook projections swap balances', 'after a rebuild with --swap manual']],
  }).action((name: string) => session.run((tools) => swap(tools, name)))
}

/** `daybook projections undo`: the copy before serves again. */
export function addUndo(group: Command, session: Session): void {
  const command = explained(group.command('undo <name>'), {
    summary: 'let the copy serve again that served before',
    purpose:
      'Takes the last swap back, in one transaction; a second time it takes that back. What the copy lacks is folded first, where its code is in the configuration; where it is not, and no process keeps it at the end of the log, going back is refused unless --allow-behind says that old figures are better than wrong ones.',
    examples: [
      ['daybook projections undo balances', 'go back'],
      ['daybook projections undo balances --allow-behind', 'also to what is out of date'],
    ],
  })
  command
    .option('--allow-behind', 'also when readers then see less, until its code runs')
    .action((name: string) =>
      session.run((tools) => undo(tools, name, command.opts<{ readonly allowBehind?: boolean }>())),
    )
}

async function swap(tools: Tools, name: string): Promise<void> {
  const defined = await definitionsOf(tools)
  const { next } = await copiesSeen(defined, name)
  await tellLack(tools, next)
  await using book = await openToManage(tools, defined, codeOf(defined, name, next))
  await writeSwap(tools, await book.rebuilds.swap(name))
}

async function undo(
  tools: Tools,
  name: string,
  { allowBehind = false }: { readonly allowBehind?: boolean },
): Promise<void> {
  const defined = await definitionsOf(tools)
  const { previous } = await copiesSeen(defined, name)
  const projections = codeOf(defined, name, previous)
  if (projections.length > 0) await tellLack(tools, previous)
  await using book = await openToManage(tools, defined, projections)
  await writeSwap(tools, await book.rebuilds.undo(name, { allowBehind }))
}

/** The code of one copy: any other code, when it is opened, would begin to be filled. */
function codeOf(
  defined: BookOptions,
  name: string,
  copy: CopyStatus | undefined,
): ReturnType<typeof versionsOf> {
  return versionsOf(defined, name).filter(({ definition }) => definition.shape.version === copy?.version)
}

async function tellLack({ output }: Tools, copy: CopyStatus | undefined): Promise<void> {
  if (copy !== undefined && copy.behind > 0)
    await output.note(
      `${copy.subscription} is ${counted(copy.behind, 'event')} behind, which are folded first.`,
    )
}

async function writeSwap({ output }: Tools, result: SwapResult): Promise<void> {
  const { projection, serving, previous, position } = result
  if (output.form === 'json') return await output.object(result)
  await output.line(
    `${copyName(projection, serving)} serves from now on, at position ${position}; ${copyName(projection, previous)} is kept to go back to.`,
  )
}
