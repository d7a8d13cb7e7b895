/** A driver that changes, drops or reorders statements between a whole store and a real server. */
import { recyclingDriver } from '@daybook/postgres-server/recycling'
import type {
  PostgresConnection,
  PostgresDriver,
  PostgresQuery,
  PostgresResult,
  PostgresSettings,
} from '../../../library/src/postgres/driver.ts'

/** How a connection runs a statement. */
export type Send = (query: PostgresQuery) => Promise<PostgresResult>

/**
 * Stands between the store and one connection; made anew for each. It calls `onAltered` whenever it alters something,
 * so that one which never applies is found out.
 */
export type Alteration = (send: Send, onAltered: () => void) => Send

/** A statement that reached the server; the numbers count what happened, in order. */
export interface Sent {
  readonly text: string
  readonly connection: PostgresConnection
  readonly sent: number
  /** Undefined until then. */
  answered: number | undefined
}

/** What is to be known of the conversations of a driver. */
export interface Conversations {
  readonly sent: Sent[]
  /** Of each error of the server the constraint that it names, or else its SQLSTATE. */
  readonly refusals: string[]
  /** How often something was altered. */
  altered: number
  /** Statements sent and answers received so far. */
  happenings: number
}

const driver = recyclingDriver()

/** Ends the connections that are kept for the next book. */
export const endConnections = (): Promise<void> => driver.close()

/** The module `pg`, with every connection altered, and its conversations taken down. */
export function alteredDriver(alteration: Alteration, conversations: Conversations): PostgresDriver {
  return {
    Client: class extends driver.Client {
      constructor(settings: PostgresSettings) {
        super(settings)
        alter(this, alteration, conversations)
      }
    },
  }
}

function alter(client: PostgresConnection, alteration: Alteration, conversations: Conversations): void {
  const { sent, refusals } = conversations
  const send = client.query.bind(client)
  const takenDown: Send = async (query) => {
    const entry: Sent = {
      text: query.text,
      connection: client,
      sent: conversations.happenings++,
      answered: undefined,
    }
    sent.push(entry)
    try {
      return await send(query)
    } catch (error) {
      if (error instanceof Error && 'code' in error)
        refusals.push(String(('constraint' in error && error.constraint) || error.code))
      throw error
    } finally {
      entry.answered = conversations.happenings++
    }
  }
  client.query = alteration(takenDown, () => {
    conversations.altered++
  })
}

/** Other words for what a statement says, wherever it says it. */
export function replaced(said: string | RegExp, by: string): Alteration {
  return (send, onAltered) => (query) => {
    const text = query.text.replaceAll(said, by)
    if (text === query.text) return send(query)
    onAltered()
    return send(withText(query, text))
  }
}

/** Several alterations at once; the first sees the statements first. */
export function all(...alterations: readonly Alteration[]): Alteration {
  return (send, onAltered) => alterations.reduceRight((next, alteration) => alteration(next, onAltered), send)
}

/** The same statement with another text, under no name: names are those of texts. */
export function withText({ name: _name, ...query }: PostgresQuery, text: string): PostgresQuery {
  return { ...query, text }
}

/** A statement of the mutant's own, without values. */
export function plain(text: string): PostgresQuery {
  return { text, rowMode: 'array', types: { getTypeParser: () => (cell) => cell } }
}

/** An answer that no server gave. */
export function pretended(command: string): PostgresResult {
  return { rows: [], command, rowCount: 0 }
}
