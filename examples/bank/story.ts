/**
 * The story of a bank, told by the programs themselves: `npm start`, or `npm start -- --from DIR` with the PKDD'99
 * files. It begins a new book each time, in story.db beside this file; with `--store postgres` on a PostgreSQL of its
 * own, with `--store postgres://…` on yours.
 */
import { dirname, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { isDaybookError, openBook, type Store } from 'daybook'
import { bank } from './bank.ts'
import { importHistory } from './import/import-history.ts'
import { PkddError } from './pkdd/errors.ts'
import { generateHistory } from './pkdd/generate.ts'
import { readPkddHistory } from './pkdd/read-history.ts'
import * as chapters from './story/chapters.ts'
import { fileAt, ownServer, type Place, StoryProblem, serverAt } from './story/place.ts'
import { bold, chapter, faint, good, say } from './story/stage.ts'

const importer = fileURLToPath(new URL('import.ts', import.meta.url))
const config = fileURLToPath(new URL('daybook.config.ts', import.meta.url))
const number = new Intl.NumberFormat('en')

async function fill(store: Store, from: string | undefined) {
  chapter('A book is filled')
  const startMs = performance.now()
  const history =
    from === undefined
      ? generateHistory({ seed: 1993, accounts: 80, months: 14 })
      : await readPkddHistory(from)
  const source = from === undefined ? 'invented' : 'pkdd'
  const result = await importHistory(store, history, source, process.stderr, new AbortController().signal)
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
  good(
    `${number.format(result.events)} events: ${number.format(result.transactions)} transactions of ${result.accounts} accounts, in ${seconds} s`,
  )
  good(
    `each went through the account's rules and is on disk; ${number.format(result.exact)} balances are the bank's own to the cent`,
  )
}

/** Fills the book, or says what is in it already and goes on with that. */
async function begin({ store }: Place, from: string | undefined) {
  await using book = await openBook({ store, ...bank, follow: false })
  const { server, events } = (await book.inspect()).facts
  if (server !== undefined) say(`The book is in ${bold(store.name)}, on PostgreSQL ${server}.`)
  if (events === 0) return await fill(store, from)
  const [first] = await book.readLog({ limit: 1 }).toArray()
  // Whose book it is shows in its first event: the story must not pay out of the accounts of somebody's bank.
  if (first?.type !== 'AccountOpened' || first.metadata.reason !== 'account opened')
    throw new StoryProblem(
      `${store.name} holds ${events} events that are not the story's, and was left as it is.\nName another schema: --store postgres://…?schema=story`,
    )
  chapter('A book is found')
  say(`It is not empty: an earlier run of the story has left ${number.format(Number(events))} events there.`)
  say(
    'Nothing is filled in this time; the story goes on with the accounts that are there, and appends to them.',
  )
  say(`To begin anew, name another schema: ${faint('--store postgres://…?schema=another')}`)
}

async function tell(place: Place, from: string | undefined) {
  const { store } = place
  await begin(place, from)
  const book = await openBook({ store, ...bank })
  const { rich, other } = await chapters.chooseHeroes(book)
  await chapters.twoAtOnce(store, rich.id, rich.owner)
  const position = await chapters.transferMoney(book, rich.id, other.id)
  await chapters.asOfAPastDay(book, rich.id)
  await chapters.eventsBehind(book, rich.id)
  await chapters.readBalances(book, position)
  await book.close()
  await chapters.killAndRestart(place, rich.id)
  if (place.shown === undefined) afterOwnServer()
  else whatNext(place.shown, rich.id)
}

function afterOwnServer() {
  chapter('What to try next')
  say('The PostgreSQL of this story, and all that is in it, goes now. On a server that stays:')
  say(`${faint('# the story')}\n   npm start -- --store postgres://user:password@localhost/database`)
  say(
    `${faint('# a book of your own')}\n   npx daybook migrate --store postgres://user:password@localhost/database`,
  )
}

function whatNext(store: string, id: string) {
  chapter('What to try next')
  if (store.startsWith('postgres')) say('With the password in PGPASSWORD, where one is needed:')
  const quoted = store.includes('?') ? `'${store}'` : store
  const options = `--config ${relative('.', config)} --store ${quoted}`
  const commands = [
    ['query the read model', `npx daybook find balances --where 'cents>20000000' ${options}`],
    ['travel in time', `npx daybook state account ${id} --at-time 1993-12-31T23:59:59Z ${options}`],
    ['see who did what, and what it changed', `npx daybook history account-${id} ${options}`],
    [
      'import a longer history; press Ctrl-C, run it again',
      `npx node ${relative('.', importer)} --store sqlite:bank.db`,
    ],
  ] as const
  for (const [what, command] of commands) say(`${faint(`# ${what}`)}\n   ${command}`)
  say(`The code is in ${dirname(relative('.', config)) || '.'}: begin with account.ts.`)
}

interface Wishes {
  readonly from?: string
  readonly file?: string
  readonly store?: string
}

async function placeFor({ file, store }: Wishes): Promise<Place> {
  if (store === undefined) return fileAt(file)
  if (file !== undefined) throw new StoryProblem('--file and --store do not go together.')
  return store === 'postgres' ? ownServer() : serverAt(store)
}

/** Set once the story is not to go on: what fails then fails because its server was taken away. */
let exitCode: number | undefined
let coming: Promise<Place> | undefined
let leaving: Promise<void> | undefined

/** Stops a server of the story's own and removes its files, once; also one that is just starting. */
function leave() {
  leaving ??= coming?.then(
    ({ server }) => server?.dispose(),
    () => undefined,
  )
  return leaving
}

/** Ends the story early; a server of its own goes first. */
async function end(code: number) {
  exitCode ??= code
  await leave()
  process.exit(exitCode)
}

function explained(error: unknown): number {
  if (error instanceof PkddError) {
    console.error(`\n${error.code}: ${error.message}`)
    return error.code === 'DirectoryMissing' ? 2 : 1
  }
  if (error instanceof StoryProblem) console.error(`\n${error.message}`)
  else if (isDaybookError(error)) console.error(`\n${error.code}: ${error.message}\n${error.hint}`)
  else throw error
  return 1
}

// A reader who has seen enough, as in `npm start | head`, is no failure.
process.stdout.on('error', () => void end(0))
process.once('SIGINT', () => void end(130))
process.once('SIGTERM', () => void end(143))

try {
  const text = { type: 'string' } as const
  const { values } = parseArgs({ options: { from: text, file: text, store: text } })
  console.log(bold('Daybook: what happened, in order, never erased; every balance is derived from it.'))
  coming = placeFor(values)
  const place = await coming
  if (exitCode === undefined) await tell(place, values.from)
} catch (error) {
  if (exitCode === undefined) process.exitCode = explained(error)
} finally {
  await leave()
}
if (exitCode !== undefined) process.exit(exitCode)
