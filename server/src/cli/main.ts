/** The `daybook` command: what `bin/daybook.js` runs. */
import { exitCodes } from './failures.ts'
import { runProgram } from './program.ts'

const interruption = new AbortController()
const interrupted = exitCodes.interrupted[0]

process.on('SIGINT', () => {
  // The first Ctrl-C asks; the second does not.
  if (interruption.signal.aborted) process.exit(interrupted)
  interruption.abort()
})
// A reader that went away (`| head`) shows in what is being written; without a listener Node would end with a stack.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)

const { stdin, stdout, stderr, env } = process
const words = process.argv.slice(2)
const exitCode = await runProgram(words, { stdin, stdout, stderr, env, signal: interruption.signal })
// All output has been taken by now. What a configuration left open must not keep the command from ending.
process.exit(exitCode)
