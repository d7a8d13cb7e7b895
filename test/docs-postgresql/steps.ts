/** What the guide to PostgreSQL tells its reader to do, in order. */
import { codeBlocks } from '../../docs/code-blocks.ts'

/** One block of the guide that is run. */
export type Step = SqlStep | ShellStep | SettingsStep

interface Place {
  /** The heading that the block stands below. */
  readonly heading: string
  readonly body: string
}

/** Statements, one after the other, by a user in a database of a server. */
export interface SqlStep extends Place {
  readonly kind: 'sql'
  readonly user: string
  readonly database: string
  readonly host: string
  /** The SQLSTATE with which each of them is refused, when they shall be. */
  readonly refusedWith: string | undefined
}

/** Commands of a shell. */
export interface ShellStep extends Place {
  readonly kind: 'shell'
  /** A program of PostgreSQL that npm does not bring. */
  readonly needs: string | undefined
  readonly exitCode: number
}

/** Lines of postgresql.conf. */
export interface SettingsStep extends Place {
  readonly kind: 'settings'
}

const sql =
  /^postgresql: (?<user>\w+) on (?<database>\w+)(?: at (?<host>[\w.]+))?(?:, refused with (?<state>\w{5}))?$/
const shell = /^postgresql: shell(?:, needs (?<needs>\w+))?(?:, exits with (?<code>\d+))?$/

/** The blocks of a text that the test runs. Throws for one that no test would run. */
export function stepsOf(text: string): readonly Step[] {
  return codeBlocks(text).flatMap(({ directive, language, body, offset }): Step[] => {
    if (directive?.startsWith('from ')) return []
    const heading = headingBefore(text, offset)
    const groups = sql.exec(directive ?? '')?.groups
    if (groups !== undefined && language === 'sql') {
      const { user = '', database = '', host = 'db.example', state } = groups
      return [{ kind: 'sql', heading, body, user, database, host, refusedWith: state }]
    }
    const command = shell.exec(directive ?? '')?.groups
    if (command !== undefined && language === 'sh') {
      return [{ kind: 'shell', heading, body, needs: command.needs, exitCode: Number(command.code ?? 0) }]
    }
    if (directive === 'postgresql: settings') return [{ kind: 'settings', heading, body }]
    throw new Error(`nothing runs the block below "${heading}": ${directive ?? 'no directive'}`)
  })
}

function headingBefore(text: string, offset: number): string {
  const before = text.slice(0, offset).replaceAll(/^```[\s\S]*?^```$/gm, '')
  return [...before.matchAll(/^#+ (.+)$/gm)].at(-1)?.[1] ?? ''
}

/** The single statements of a block. */
export function statementsOf(body: string): readonly string[] {
  return body
    .split(/;$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')
}
