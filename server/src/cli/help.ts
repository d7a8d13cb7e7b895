import type { Command } from 'commander'
import { exitCodes } from './failures.ts'

/** A command line and what it does. */
export type Example = readonly [line: string, effect: string]

/** What a command's help says beside its options. */
export interface Explanation {
  /** One line, for the list of commands. */
  readonly summary: string
  /** A sentence or two of purpose. */
  readonly purpose: string
  readonly examples: readonly Example[]
}

/** Gives a command its explanation. */
export function explained(command: Command, { summary, purpose, examples }: Explanation): Command {
  return command
    .summary(summary)
    .description(purpose)
    .addHelpText('after', helpAfter(examples, codesInShort()))
}

/** Examples and exit codes, as they stand at the end of every help. */
export function helpAfter(examples: readonly Example[], codes: string = allCodes()): string {
  const shown = examples.map(([line, effect]) => `  # ${effect}\n  ${line}`)
  return `\nExamples:\n${shown.join('\n')}\n\nExit codes:\n${codes}`
}

function allCodes(): string {
  return Object.values(exitCodes)
    .map(([code, , meaning]) => `  ${String(code).padEnd(5)}${meaning}`)
    .join('\n')
}

function codesInShort(): string {
  const codes = Object.values(exitCodes).map(([code, word]) => `${code} ${word}`)
  return `  ${codes.join(', ')}; see daybook --help`
}
