import assert from 'node:assert/strict'
import type { FollowingTransaction, SqlTransaction } from '../../core/ports/following.ts'
import type { ConformanceGroup } from './case.ts'
import type { ConformanceContext } from './context.ts'
import { prepared } from './leases.ts'
import { at } from './read-models.ts'
import { endings, type UserStatements, userStatements } from './statements.ts'

type Entries = readonly { readonly [column: string]: unknown }[]

interface User {
  readonly transaction: FollowingTransaction
  readonly sql: SqlTransaction
  readonly texts: UserStatements
}

/** Runs work of a user who has an empty table of entries. */
function asUser<Result>(
  { store }: ConformanceContext,
  work: (user: User) => Promise<Result>,
): Promise<Result> {
  return store.following.transaction((transaction) => {
    const { sql } = transaction
    assert.ok(sql, 'the store has no SQL')
    return work({ transaction, sql, texts: userStatements(sql.dialect) })
  })
}

async function begun(book: ConformanceContext): Promise<void> {
  await prepared(book)
  await asUser(book, async ({ sql, texts }) => {
    await sql.query(texts.create)
    await sql.query(texts.clear)
  })
}

function entries(book: ConformanceContext): Promise<Entries> {
  return asUser(book, ({ sql, texts }) => sql.query(texts.select, [0]))
}

/** The user's own tables, in the transaction that moves the checkpoint. */
export const userSql: ConformanceGroup = {
  name: 'SQL of the user',
  cases: [
    {
      name: 'statements of the user are committed with the checkpoint; their rows are objects by column',
      run: async (book) => {
        await begun(book)
        await asUser(book, async ({ sql, texts, transaction }) => {
          assert.deepEqual(await sql.query(texts.insert, [1, 'ž 🦉']), [])
          await sql.query(texts.insert, [2, null])
          assert.equal(await transaction.move('mails', 0, at(2)), true)
        })
        assert.deepEqual(await entries(book), [
          { id: 1, note: 'ž 🦉', 'next Id': 2 },
          { id: 2, note: null, 'next Id': 3 },
        ])
        assert.deepEqual(await book.store.readModels.checkpoint('mails'), at(2))
      },
    },
    {
      name: 'statements of the user are taken back with the checkpoint, when one fails or a move is refused',
      run: async (book) => {
        await begun(book)
        const failing = asUser(book, async ({ sql, texts, transaction }) => {
          await transaction.move('mails', 0, at(2))
          await sql.query(texts.insert, [1, 'lost'])
          await sql.query(texts.broken)
        })
        await assert.rejects(failing)
        const doubled = asUser(book, async ({ sql, texts, transaction }) => {
          await transaction.move('mails', 0, at(2))
          for (const note of ['lost', 'lost, too']) await sql.query(texts.insert, [1, note])
        })
        await assert.rejects(doubled)
        await asUser(book, async ({ sql, texts, transaction }) => {
          await sql.query(texts.insert, [1, 'lost'])
          assert.equal(await transaction.move('mails', 7, at(8)), false)
        })
        assert.deepEqual(await entries(book), [])
        assert.deepEqual(await book.store.readModels.checkpoint('mails'), at(0))
      },
    },
    {
      name: 'a statement that would end the transaction, and several at once, are refused',
      run: async (book) => {
        await begun(book)
        const refused = (text: (texts: UserStatements) => string): Promise<void> =>
          assert.rejects(
            asUser(book, async ({ sql, texts, transaction }) => {
              await transaction.move('mails', 0, at(2))
              await sql.query(texts.insert, [1, 'lost'])
              await sql.query(text(texts))
            }),
          )
        for (const ending of endings) await refused(() => ending)
        await refused(({ several }) => several)
        assert.deepEqual(await entries(book), [])
        assert.deepEqual(await book.store.readModels.checkpoint('mails'), at(0))
      },
    },
  ],
}
