import type { StatementSync } from 'node:sqlite'
import { DaybookError } from '../core/errors.ts'
import type { SqlTransaction } from '../core/ports/following.ts'
import type { Connection } from './connection.ts'

/** A projection has a few texts; one that makes new ones for ever is not kept prepared for ever. */
const mostPrepared = 200
const preparedOn = new WeakMap<Connection, Map<string, StatementSync>>()

/** The user's own statements in the transaction under way on this connection. */
export function sqlOn(connection: Connection): SqlTransaction {
  return {
    dialect: 'sqlite',
    query: async (text, values = []) => {
      const rows = prepared(connection, text).all(...values.map(bindable)) as Record<string, unknown>[]
      // Rows of node:sqlite have no prototype, and compare unequal to objects that look the same.
      return rows.map((row) => ({ ...row }))
    },
  }
}

function prepared(connection: Connection, text: string): StatementSync {
  const held = preparedOn.get(connection) ?? new Map<string, StatementSync>()
  preparedOn.set(connection, held)
  const known = held.get(text)
  if (known !== undefined) return known
  const statement = connection.database.prepare(text)
  requireSingle(text, statement.sourceSQL)
  if (held.size >= mostPrepared) held.clear()
  held.set(text, statement)
  return statement
}

const blank = /^(?:\s|;|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*$/

/** SQLite prepares the first statement of a text, and leaves out the others without a word. */
function requireSingle(text: string, first: string): void {
  if (blank.test(text.slice(first.length))) return
  throw new DaybookError('ILLEGAL_ARGUMENT', 'sql.query runs one statement, and was given several', {
    argument: 'text',
  })
}

type Bindable = string | number | bigint | null | Uint8Array

/** SQLite has no booleans: they are 0 and 1, as in read models. What else it cannot hold, node:sqlite refuses. */
function bindable(value: unknown): Bindable {
  return typeof value === 'boolean' ? Number(value) : (value as Bindable)
}
