/** For tests: a folder with a book that much follows, and the application that runs it. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Book, type BookOptions, type Diagnostic, openBook } from 'daybook'
import { exampleFiles } from './init-files.ts'
import { daybook, newFolder } from './test-bed.ts'

const followed = `import { appendFileSync } from 'node:fs'
import { deadline, finish, processManager, projection, subscription } from 'daybook'
import { accountEvents } from './account.ts'

// Owners in capitals.
export const balances2 = projection('balances', {
  version: 2,
  swap: 'manual',
  from: accountEvents,
  key: (event) => event.streamId,
  initial: { owner: '', cents: 0, movements: 0 },
  columns: { owner: 'text', cents: 'integer' },
  evolve: {
    AccountOpened: (balance, { owner }) => ({ ...balance, owner: owner.toUpperCase() }),
    MoneyDeposited: (balance, { cents }) => ({
      ...balance, cents: balance.cents + cents, movements: balance.movements + 1,
    }),
    MoneyWithdrawn: (balance, { cents }) => ({
      ...balance, cents: balance.cents - cents, movements: balance.movements + 1,
    }),
  },
})

export const live = projection('live', {
  mode: 'live',
  from: accountEvents,
  key: (event) => event.streamId,
  initial: { count: 0 },
  evolve: { AccountOpened: ({ count }) => ({ count: count + 1 }) },
})

const effects = \`\${import.meta.dirname}/effects.txt\`

export const search = subscription('search', {
  from: accountEvents,
  types: ['AccountOpened'],
  retry: { maxAttempts: 2, delayMs: 1, maxDelayMs: 1 },
  run: async ({ streamId, data }) => {
    appendFileSync(effects, \`\${streamId}\\n\`)
    if (data.owner === 'Bad') throw new Error('this owner cannot be found')
  },
})

export const welcome = processManager('welcome', {
  from: accountEvents,
  key: (event) => event.streamId,
  startsWith: ['AccountOpened'],
  startAt: 'beginning',
  initialState: { owner: '' },
  evolve: { AccountOpened: (_state, { owner }) => ({ owner }) },
  on: {
    AccountOpened: () => deadline.set('deposit', { hours: 24 }),
    MoneyDeposited: () => finish(),
  },
  deadlines: { deposit: () => finish() },
})
`

const config = (store: string, projections: string): string => `import { defineBook } from 'daybook'
import { postgres } from 'daybook/postgres'
import { sqlite } from 'daybook/sqlite'
import { account, balances } from './account.ts'
import { balances2, live, search, welcome } from './followed.ts'

export default defineBook({
  store: ${store},
  deciders: [account],
  projections: [${projections}],
  subscriptions: [search],
  processes: [welcome],
  lag: { alarmMs: 1, onAlarm: () => { throw new Error('no command raises an alarm') } },
})
`

/** A book that is followed, as a test sees it. */
export interface Followed {
  readonly folder: string
  /** Options that name the configuration with both versions of balances. */
  readonly base: readonly string[]
  /** That with the first version alone, which is what the application runs. */
  readonly first: readonly string[]
  /** Appends accounts of these owners, keyed 1, 2, 3 …, each with a deposit of as many cents. */
  open(...owners: readonly string[]): Promise<void>
  /** Runs the application, until it is closed. */
  runApplication(onDiagnostic?: (diagnostic: Diagnostic) => void): Promise<Book>
  /** What the subscription has done: keys of accounts. */
  effects(): readonly string[]
}

/** Makes one; `store` is code. */
export function followedBook(store = 'sqlite(import.meta.dirname + "/accounts.db")'): Followed {
  const folder = newFolder({
    ...exampleFiles,
    'followed.ts': followed,
    'daybook.config.ts': config(store, 'balances, balances2, live'),
    'first.config.ts': config(store, 'balances'),
  })
  const named = (name: string): readonly string[] => ['--config', join(folder, name)]
  const first = named('first.config.ts')
  const effects = join(folder, 'effects.txt')
  return {
    folder,
    base: named('daybook.config.ts'),
    first,
    async open(...owners) {
      const lines = owners.flatMap((owner, index) => [
        { stream: `account-${index + 1}`, type: 'AccountOpened', data: { owner } },
        { stream: `account-${index + 1}`, type: 'MoneyDeposited', data: { cents: index + 1 } },
      ])
      const input = lines.map((line) => JSON.stringify(line)).join('\n')
      const ran = await daybook(['append', '--file', '-', ...first], { input })
      if (ran.code !== 0) throw new Error(ran.stderr)
    },
    async runApplication(onDiagnostic = () => undefined) {
      const loaded = (await import(pathToFileURL(join(folder, 'first.config.ts')).href)) as {
        readonly default: BookOptions
      }
      return openBook({ ...loaded.default, lag: {}, onDiagnostic })
    },
    effects: () => (existsSync(effects) ? readFileSync(effects, 'utf8').trim().split('\n') : []),
  }
}

/** Resolves when something is so; whoever makes it so goes on meanwhile. */
export async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setImmediate(resolve))
}
