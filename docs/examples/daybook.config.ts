// #region config
import { defineBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account } from './account.ts'
import { balances } from './balances.ts'

// biome-ignore lint/style/noDefaultExport: the daybook command takes the default export.
export default defineBook({
  store: sqlite('bank.db'),
  deciders: [account],
  projections: [balances],
})
// #endregion
