import type { Command } from 'commander'
import { usage } from './failures.ts'
import { type Explanation, explained } from './help.ts'
import type { Session } from './session.ts'

/** Adds one command to a group. */
export type AddCommand = (group: Command, session: Session) => void

/** A command made of commands: `daybook parked` is `daybook parked list`, the first of them. */
export function addGroup(
  program: Command,
  session: Session,
  name: string,
  explanation: Explanation,
  members: readonly AddCommand[],
): void {
  const group = explained(program.command(name), explanation).helpCommand(
    'help [command]',
    'explain a command',
  )
  for (const add of members) add(group, session)
}

/** The name of the first command of a group, which is meant when none is named. */
export function defaultCommand(group: Command, name: string): Command {
  return group.command(name, { isDefault: true }).allowExcessArguments()
}

/** Throws `USAGE` where a default command was given words it does not take: they were to be another command. */
export function refuseWords(command: Command): void {
  const [word] = command.args
  if (word === undefined) return
  const group = command.parent
  const known = group?.commands.map((member) => member.name()).join(', ')
  throw usage(
    `unknown command '${group?.name()} ${word}'`,
    `Known are ${known}; daybook ${group?.name()} --help explains them.`,
  )
}
