/**
 * The story of a bank, told by the programs themselves: `npm start`, or `npm start -- --from DIR` with the PKDD'99
 * files. It begins a new book each time, in story.db beside this file.
 */
import { existsSync, rmSync } from 'node:fs'
import { dirname, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openBook } from 'daybook'
import { sqlite } from 'daybook/sqlite'
import { bank } from './bank.ts'
import { importHistory } from './import/import-history.ts'
import { PkddError } from './pkdd/errors.ts'
import { generateHistory } from './pkdd/generate.ts'
import { readPkddHistory } from './pkdd/read-history.ts'
import * as chapters from './story/chapters.ts'
import { bold, chapter, faint, good, say } from './story/stage.ts'

const importer = fileURLToPath(new URL('import.ts', import.meta.url))
const config = fileURLToPath(new URL('daybook.config.ts', import.meta.url))
const ownFile = fileURLToPath(new URL('story.db', import.meta.url))

/** A new book: the story's own file is replaced, a file that was named must not exist. */
function newBook(named: string | undefined) {
  if (named === undefined) for (const end of ['', '-wal', '-shm']) rmSync(`${ownFile}${end}`, { force: true })
  else if (existsSync(named)) throw new Error(`${named} exists; the story needs a new file.`)
  return named ?? ownFile
}

async function fill(file: string, from: string | undefined) {
  chapter('A book is filled')
  const startMs = performance.now()
  const history =
    from === undefined
      ? generateHistory({ seed: 1993, accounts: 80, months: 14 })
      : await readPkddHistory(from)
  const source = from === undefined ? 'invented' : 'pkdd'
  const result = await importHistory(file, history, source, process.stderr, new AbortController().signal)
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
  const number = new Intl.NumberFormat('en')
  good(
    `${number.format(result.events)} events: ${number.format(result.transactions)} transactions of ${result.accounts} accounts, in ${seconds} s`,
  )
  good(
    `each went through the account's rules and is on disk; ${number.format(result.exact)} balances are the bank's own to the cent`,
  )
}

async function tell(file: string, from: string | undefined) {
  console.log(bold('Daybook: what happened, in order, never erased; every balance is derived from it.'))
  await fill(file, from)
  const book = await openBook({ store: sqlite(file), ...bank })
  const { rich, other } = await chapters.chooseHeroes(book)
  await chapters.twoAtOnce(file, rich.id, rich.owner)
  const position = await chapters.transferMoney(book, rich.id, other.id)
  await chapters.asOfAPastDay(book, rich.id)
  await chapters.eventsBehind(book, rich.id)
  await chapters.readBalances(book, position)
  await book.close()
  await chapters.killAndRestart(file, rich.id)
  whatNext(relative('.', file), rich.id)
}

function whatNext(file: string, id: string) {
  chapter('What to try next')
  const options = `--config ${relative('.', config)} --store sqlite:${file}`
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

// A reader who has seen enough, as in `npm start | head`, is no failure.
process.stdout.on('error', () => process.exit())

try {
  const { values } = parseArgs({ options: { from: { type: 'string' }, file: { type: 'string' } } })
  await tell(newBook(values.file), values.from)
} catch (error) {
  if (!(error instanceof PkddError)) throw error
  console.error(`\n${error.code}: ${error.message}`)
  process.exitCode = error.code === 'DirectoryMissing' ? 2 : 1
}
