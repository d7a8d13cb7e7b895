/** What `daybook init` writes, by file name. A test type-checks and runs it. */

const config = `import { defineBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { account, balances } from './account.ts'

// The command line, your program and your tests all take this value.
export default defineBook({
  // Beside this file, wherever a program is started from.
  store: sqlite(\`\${import.meta.dirname}/accounts.db\`),
  deciders: [account],
  projections: [balances],
})
`

const account = `import { decider, defineEvents, projection, refuse } from 'daybook'
import { z } from 'zod'

// What can happen. Data is checked when it is appended.
export const accountEvents = defineEvents({
  AccountOpened: z.object({ owner: z.string() }),
  MoneyDeposited: z.object({ cents: z.int().positive() }),
  MoneyWithdrawn: z.object({ cents: z.int().positive() }),
})

interface Account {
  readonly isOpen: boolean
  readonly cents: number
}

// What may happen: each command looks at the state and answers events, or a refusal.
export const account = decider('account', {
  events: accountEvents,
  initialState: { isOpen: false, cents: 0 } as Account,
  evolve: {
    AccountOpened: (state) => ({ ...state, isOpen: true }),
    MoneyDeposited: (state, { cents }) => ({ ...state, cents: state.cents + cents }),
    MoneyWithdrawn: (state, { cents }) => ({ ...state, cents: state.cents - cents }),
  },
  commands: {
    open: (state, input: { owner: string }) =>
      state.isOpen ? refuse('AlreadyOpen') : accountEvents.AccountOpened(input),
    deposit: (state, input: { cents: number }) =>
      state.isOpen ? accountEvents.MoneyDeposited(input) : refuse('NotOpen'),
    withdraw: (state, input: { cents: number }) =>
      input.cents <= state.cents
        ? accountEvents.MoneyWithdrawn(input)
        : refuse('InsufficientFunds', { available: state.cents }),
  },
})

interface Balance {
  readonly owner: string
  readonly cents: number
  readonly movements: number
}

// What one wants to look up: a document for each account, derived from the events.
export const balances = projection('balances', {
  from: accountEvents,
  key: (event) => event.streamId,
  initial: { owner: '', cents: 0, movements: 0 } as Balance,
  columns: { owner: 'text', cents: 'integer' },
  evolve: {
    AccountOpened: (balance, { owner }) => ({ ...balance, owner }),
    MoneyDeposited: (balance, { cents }) => ({
      ...balance,
      cents: balance.cents + cents,
      movements: balance.movements + 1,
    }),
    MoneyWithdrawn: (balance, { cents }) => ({
      ...balance,
      cents: balance.cents - cents,
      movements: balance.movements + 1,
    }),
  },
})
`

const example = `import { openBook } from 'daybook'
import { account, balances } from './account.ts'
import definition from './daybook.config.ts'

await using book = await openBook(definition)

await book.execute(account.open('42', { owner: 'Ada' }), { actor: 'example' })
const done = await book.execute(account.deposit('42', { cents: 2_000 }), { actor: 'example' })
console.log('The account now holds', done.state.cents, 'cents.')

const refused = await book.execute(account.withdraw('42', { cents: 1_000_000 }))
if (refused.refused) console.log('Too much:', refused.refused.reason, refused.refused.facts)

const balance = await book.read(balances).get('42', { notBefore: done.position })
console.log('The read model says', balance)
`

const manifest = {
  name: 'accounts',
  private: true,
  type: 'module',
  scripts: { start: 'node example.ts', daybook: 'daybook' },
  engines: { node: '>=24.15' },
  dependencies: { '@daybook/server': '^0.1.0', daybook: '^0.1.0', zod: '^4.0.0' },
  devDependencies: { '@types/node': '^24.0.0', typescript: '^7.0.0' },
}

const compiler = {
  compilerOptions: {
    target: 'es2024',
    lib: ['esnext'],
    types: ['node'],
    module: 'nodenext',
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
    erasableSyntaxOnly: true,
    allowImportingTsExtensions: true,
    skipLibCheck: true,
    noEmit: true,
  },
  include: ['*.ts'],
}

/** Files of every example. */
export const exampleFiles: { readonly [name: string]: string } = {
  'daybook.config.ts': config,
  'account.ts': account,
  'example.ts': example,
}

/** Files that make a folder a project. */
export const projectFiles: { readonly [name: string]: string } = {
  'package.json': `${JSON.stringify(manifest, undefined, 2)}\n`,
  'tsconfig.json': `${JSON.stringify(compiler, undefined, 2)}\n`,
  '.gitignore': 'node_modules/\n*.db\n*.db-wal\n*.db-shm\n',
}
