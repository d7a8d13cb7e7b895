import type { Command } from 'commander'
import { CommandFailure, failureFrom } from '../failures.ts'
import { explained } from '../help.ts'
import { deciderNamed, definitionsOf, openToWrite } from '../opening.ts'
import { type Outcome, writeOutcome } from '../outcome-output.ts'
import type { Session, Tools } from '../session.ts'
import { jsonArgument } from '../values.ts'
import { type WriteOptions, withWriteOptions, writeOptionsFrom } from '../write-options.ts'

/** `daybook run`: a command of a decider. */
export function addRun(program: Command, session: Session): void {
  const command = explained(program.command('run <decider> <id> <command> [input]'), {
    summary: 'run a command of a decider',
    purpose:
      'Loads the state, decides the command and appends its events; on a conflict once more on the newer state. Input is JSON, - reads it from standard input. A refusal is an answer: it is printed with its reason and facts, and the exit code is 3.',
    examples: [
      [`daybook run account 42 open '{"owner":"Ada","currency":"EUR"}'`, 'open an account'],
      [`daybook run account 42 withdraw '{"cents":500}' --actor teller-7`, 'say who does it'],
      [`daybook run account 42 withdraw '{"cents":500}' --idempotency-key req-9`, 'safe to repeat'],
    ],
  })
  withWriteOptions(command).action((decider: string, id: string, name: string, input: string | undefined) =>
    session.run((tools) => run(tools, [decider, id, name], input, command.opts<WriteOptions>())),
  )
}

async function run(
  tools: Tools,
  [decider, id, name]: readonly [string, string, string],
  input: string | undefined,
  options: WriteOptions,
): Promise<number | undefined> {
  deciderNamed(await definitionsOf(tools), decider)
  const given = await jsonArgument(tools.shell, input, 'input')
  const write = writeOptionsFrom(options)
  await using book = await openToWrite(tools)
  let outcome: Outcome
  try {
    outcome = await book.run(decider, id, name, given, write)
  } catch (error) {
    throw thrown(error, `${decider}.${name}`, given)
  }
  return await writeOutcome(tools, outcome)
}

/** What a decider throws is a bug of it, or input it did not expect. */
function thrown(error: unknown, command: string, input: unknown): unknown {
  const { code, message, facts } = failureFrom(error)
  if (code !== 'UNEXPECTED') return error
  const hint =
    input === undefined
      ? 'The command was given no input: add it as JSON after the name of the command.'
      : 'The command does not expect this input, or has a bug at that place. Nothing was appended.'
  return new CommandFailure({ code, message: `the command ${command} threw: ${message}`, hint, facts }, error)
}
