import type { Command } from 'commander'
import { usage } from '../failures.ts'
import { explained } from '../help.ts'
import { deciderNamed, definitionsOf, openToWrite } from '../opening.ts'
import { writeOutcome } from '../outcome-output.ts'
import type { Session, Tools } from '../session.ts'
import { wholeNumber } from '../values.ts'
import { type WriteOptions, withWriteOptions, writeOptionsFrom } from '../write-options.ts'

/** `daybook undo`: takes an event back by compensating events. */
export function addUndo(program: Command, session: Session): void {
  const command = explained(atVersion(program.command('undo <decider> <id>')), {
    summary: 'take an event back by compensating events',
    purpose:
      'Appends what the decider answers for taking the event back; the event itself stays. It needs --actor and --reason. An event that was taken back already, or cannot be, is refused with exit code 3.',
    examples: [
      [`daybook undo account 42 7 --actor operator-7 --reason 'booked twice'`, 'take back version 7'],
    ],
  })
  withWriteOptions(command).action((decider: string, id: string, version: number) =>
    session.run((tools) => correct(tools, 'undo', [decider, id, version], command.opts<WriteOptions>())),
  )
}

/** `daybook redo`: reinstates an event that was taken back. */
export function addRedo(program: Command, session: Session): void {
  const command = explained(atVersion(program.command('redo <decider> <id>')), {
    summary: 'reinstate an event that was taken back',
    purpose:
      'Appends the data of the event at that version once more. It needs --actor and --reason. An event that was not taken back is refused with exit code 3.',
    examples: [
      [`daybook redo account 42 7 --actor operator-7 --reason 'was right after all'`, 'reinstate version 7'],
    ],
  })
  withWriteOptions(command).action((decider: string, id: string, version: number) =>
    session.run((tools) => correct(tools, 'redo', [decider, id, version], command.opts<WriteOptions>())),
  )
}

function atVersion(command: Command): Command {
  return command.argument('<version>', 'place of the event in the stream', wholeNumber(1))
}

async function correct(
  tools: Tools,
  action: 'undo' | 'redo',
  [decider, id, version]: readonly [string, string, number],
  options: WriteOptions,
): Promise<number | undefined> {
  const { actor, reason } = options
  if (actor === undefined || reason === undefined) {
    throw usage(`${action} needs --actor and --reason`, 'A correction always says who made it, and why.')
  }
  const definition = deciderNamed(await definitionsOf(tools), decider)
  const write = { ...writeOptionsFrom(options), version, actor, reason }
  await using book = await openToWrite(tools)
  return await writeOutcome(tools, await book[action](definition, id, write))
}
