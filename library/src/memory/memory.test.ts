import { testConformance } from '../testing/index.ts'
import { memory } from './index.ts'

const noSql = 'a book in memory has no SQL'
const noTransactions = 'a book in memory has no database to share with the caller'

testConformance('memory', () => ({ store: memory() }), {
  deviations: {
    'what is appended within a transaction is there when it commits': noTransactions,
    'what is appended within a transaction is gone when it rolls back': noTransactions,
    'the joined log sees its own uncommitted events, keys and versions': noTransactions,
    'an inline step that throws within a transaction takes back only its own append': noTransactions,
    'what is no open transaction on this book is refused': noTransactions,
    'statements of the user are committed with the checkpoint; their rows are objects by column': noSql,
    'statements of the user are taken back with the checkpoint, when one fails or a move is refused': noSql,
    'a statement that would end the transaction, and several at once, are refused': noSql,
    'a store that is closed refuses to be used, with BOOK_CLOSED':
      'closing releases nothing: the book lives as long as the value that memory() returned',
  },
})
