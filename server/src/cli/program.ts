import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { addAppend } from './commands/append.ts'
import { addDoctor } from './commands/doctor.ts'
import { addFind } from './commands/find.ts'
import { addHistory } from './commands/history.ts'
import { addInit } from './commands/init.ts'
import { addMigrate } from './commands/migrate.ts'
import { addParked } from './commands/parked.ts'
import { addPartition } from './commands/partition.ts'
import { addPending } from './commands/pending.ts'
import { addProjections } from './commands/projections.ts'
import { addRead } from './commands/read.ts'
import { addRun } from './commands/run.ts'
import { addState } from './commands/state.ts'
import { addStats } from './commands/stats.ts'
import { addSubscriptions } from './commands/subscriptions.ts'
import { addRedo, addUndo } from './commands/undo.ts'
import { exitCodes, usage } from './failures.ts'
import { helpAfter } from './help.ts'
import { Output } from './output.ts'
import { reported, Session } from './session.ts'
import { isReaderGone, type Shell, written } from './shell.ts'

/** Runs the command line in `words` (without `node` and the program's name); resolves to the exit code. */
export async function runProgram(words: readonly string[], shell: Shell): Promise<number> {
  const told: string[] = []
  const program = new Command('daybook')
  const session = new Session(program, shell)
  configure(program, shell, told)
  for (const add of [
    addInit,
    addAppend,
    addRun,
    addUndo,
    addRedo,
    addRead,
    addState,
    addHistory,
    addFind,
    addProjections,
    addSubscriptions,
    addParked,
    addPending,
    addStats,
    addMigrate,
    addPartition,
    addDoctor,
  ])
    add(program, session)
  try {
    await program.parseAsync(words, { from: 'user' })
    await written(shell.stdout, told.join(''))
    return session.exitCode
  } catch (error) {
    if (isReaderGone(error)) return exitCodes.ok[0]
    const output = new Output(shell, words.includes('--json'))
    if (!(error instanceof CommanderError)) return reported(output, error)
    if (error.exitCode === 0) {
      await written(shell.stdout, told.join(''))
      return exitCodes.ok[0]
    }
    const isHelpAsked = error.code === 'commander.help' && output.form !== 'json'
    if (!isHelpAsked) return reported(output, usageFailure(error, program))
    await written(shell.stderr, told.join(''))
    return exitCodes.usage[0]
  }
}

/** What commander says of a command line it does not understand, as a failure of ours. */
function usageFailure(error: CommanderError, program: Command): Error {
  if (error.code === 'commander.help') return usage('no command given')
  const [what = '', ...suggestions] = error.message.replace(/^error: /, '').split('\n')
  const nearest = suggestions.join(' ').replace(/^\(|\)$/g, '')
  const known = program.commands.map((command) => command.name()).join(', ')
  const isCommandUnknown = error.code === 'commander.unknownCommand'
  const more = isCommandUnknown ? `Known are ${known}.` : 'Run the command with --help to see what it takes.'
  return usage(what, [nearest, more].filter((part) => part !== '').join(' '))
}

function configure(program: Command, shell: Shell, told: string[]): void {
  program
    .description('Keeps what happened, in order, and derives everything else from it.')
    .version(versionOf(), '--version', 'print the version')
    .helpOption('-h, --help', 'explain a command')
    .helpCommand('help [command]', 'explain a command')
    .option('--config <file>', 'the configuration (default: the nearest daybook.config.ts, .js or .mjs)')
    .option(
      '--store <address>',
      'the store instead of the configuration’s: sqlite:FILE, postgres://… or memory:',
    )
    .option('--json', 'print one JSON object a line, errors too')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void told.push(text),
      writeErr: (text) => void told.push(text),
      outputError: () => undefined,
      getOutHelpWidth: () => Math.min(100, shell.stdout.columns ?? 100),
      getErrHelpWidth: () => Math.min(100, shell.stderr.columns ?? 100),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .exitOverride()
    .addHelpText(
      'after',
      helpAfter([
        ['daybook init accounts', 'begin with a small example'],
        [`daybook run account 42 deposit '{"cents":500}'`, 'run a command of a decider'],
        ['daybook read account-42', 'read a stream'],
        [`daybook find balances --where 'cents>100000'`, 'query a read model'],
        ['daybook projections rebuild balances', 'fill a read model anew, while the old one serves'],
        ['daybook parked', 'what could not be handled'],
        ['daybook doctor', 'check the store'],
      ]),
    )
}

function versionOf(): string {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    readonly version: string
  }
  return manifest.version
}
