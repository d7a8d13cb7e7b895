import type { Command } from 'commander'
import { CommandFailure, exitCodeOf, failureFrom } from './failures.ts'
import type { BookChoice, Opening } from './opening.ts'
import { Output } from './output.ts'
import { isReaderGone, type Shell } from './shell.ts'

/** What every command is given. */
export interface Tools extends Opening {
  readonly shell: Shell
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
}

/** Options that every command takes. */
export interface GlobalOptions extends BookChoice {
  readonly json?: boolean
}

/** A command's work; resolves to an exit code other than 0 where one is due. */
export type Work = (tools: Tools) => Promise<number | undefined> | Promise<void>

/** One run of the program: gives a command its tools, and turns what it throws into words and an exit code. */
export class Session {
  exitCode = 0
  readonly #program: Command
  readonly #shell: Shell

  constructor(program: Command, shell: Shell) {
    this.#program = program
    this.#shell = shell
  }

  async run(work: Work): Promise<void> {
    const { json, ...choice }: GlobalOptions = this.#program.opts()
    const output = new Output(this.#shell, json === true)
    try {
      const code = await work({ choice, output, shell: this.#shell, signal: this.#shell.signal })
      this.exitCode = typeof code === 'number' ? code : 0
      await output.flush()
    } catch (error) {
      const isInterrupted = this.#shell.signal.aborted && !isReaderGone(error)
      this.exitCode = await reported(output, isInterrupted ? interruption(error) : error)
    }
  }
}

function interruption(cause: unknown): CommandFailure {
  if (cause instanceof CommandFailure && cause.code === 'INTERRUPTED') return cause
  return new CommandFailure({ code: 'INTERRUPTED', message: 'interrupted' }, cause)
}

/** Tells a failure; returns its exit code. That a reader such as `head` has seen enough is none. */
export async function reported(output: Output, error: unknown): Promise<number> {
  if (isReaderGone(error)) return 0
  try {
    const failure = failureFrom(error)
    await output.failure(failure)
    return exitCodeOf(failure.code)
  } catch (problem) {
    if (isReaderGone(problem)) return exitCodeOf(failureFrom(error).code)
    throw problem
  }
}
