import type { SqlTransaction } from '../core/ports/following.ts'
import { isResultChanged } from './errors.ts'
import { statement } from './statements.ts'
import type { Transaction } from './transaction.ts'

/** A projection has a few texts; one that makes new ones for ever does not have them prepared for ever. */
const mostPrepared = 200

/** The user's own statements, prepared once on each connection. */
export class UserSql {
  readonly #prepared = new Map<string, string>()
  /** Their tables were altered since they were prepared, and a connection that lives on would refuse them for ever. */
  readonly #altered = new Set<string>()

  /** In the transaction under way. */
  on(transaction: Transaction): SqlTransaction {
    return {
      dialect: 'postgres',
      query: async (text, values = []) => {
        try {
          return await transaction.objects(text, values, this.#nameOf(text))
        } catch (error) {
          if (isResultChanged(error)) this.#altered.add(text)
          throw error
        }
      },
    }
  }

  #nameOf(text: string): string | undefined {
    if (this.#altered.has(text)) return undefined
    const known = this.#prepared.get(text)
    if (known !== undefined || this.#prepared.size >= mostPrepared) return known
    const { name } = statement(text)
    this.#prepared.set(text, name)
    return name
  }
}
