import { testServer } from '@daybook/postgres-server/testing'
import { openBook } from 'daybook'
import { migratePostgres, postgres } from 'daybook/postgres'
import { account } from './account.ts'
import { balances } from './balances.ts'

// A server and a database to try things on; yours are there already.
const server = await testServer()
const address = server.url(await server.createDatabase())
await migratePostgres(address)

{
  // #region open
  await using book = await openBook({
    store: postgres(address), // postgres://bank_app@db.example/bank
    deciders: [account],
    projections: [balances],
  })
  // #endregion

  const done = await book.execute(account.open('42', { owner: 'Ada' }))
  const balance = await book.read(balances).get('42', { notBefore: done.position })
  console.log('version', done.version, 'of', balance?.owner)
}

{
  // #region reader
  await using book = await openBook({
    store: postgres(address, { readOnly: true }), // postgres://bank_report@replica.example/bank
    deciders: [account],
    projections: [balances],
    follow: false,
  })
  // #endregion

  console.log('read', (await book.load(account, '42')).state, (await book.read(balances).find()).length)
}

{
  await migratePostgres(address, { schema: 'tenant_7' })
  // #region tenants
  await using ours = await openBook({ store: postgres(address, { schema: 'tenant_7' }) })
  // #endregion
  console.log('head of the other book:', await ours.head())
}

{
  // #region pooled
  await using book = await openBook({
    store: postgres(address, {
      listen: address, // past PgBouncer: a connection of its own, for LISTEN alone
      preparedStatements: false, // needed before PgBouncer 1.21
    }),
  })
  // #endregion
  console.log('head through a pooler:', await book.head())
}

await server.dispose()
