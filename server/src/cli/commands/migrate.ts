import type { Command } from 'commander'
import type { Store } from 'daybook'
import type { PostgresStore } from 'daybook/postgres'
import { exitCodes, usage } from '../failures.ts'
import { explained } from '../help.ts'
import { definitionsOf } from '../opening.ts'
import type { Session, Tools } from '../session.ts'
import { isPostgres } from '../store-address.ts'
import { visible } from '../text.ts'

interface MigrateOptions {
  readonly print?: boolean
  readonly check?: boolean
  readonly roles?: boolean
  readonly restored?: boolean
  readonly moved?: boolean
}

/** `daybook migrate`: makes a book in a database, or brings its schema up to date. */
export function addMigrate(program: Command, session: Session): void {
  const command = explained(program.command('migrate'), {
    summary: 'make a book on PostgreSQL, or bring its schema up to date',
    purpose:
      'Makes a new book in an empty schema of a PostgreSQL database, or brings an older one up to date, in one transaction; any number of processes may do it at once. It needs the rights of the owner, which the application that appends does not. A SQLite book is brought up to date by opening it.\n\n' +
      'A book knows where it was written. One that was restored from a dump, copied or moved is refused until --restored or --moved says which it is: --restored begins a new epoch, so that nobody resumes against events that are gone.',
    examples: [
      ['daybook migrate --store postgres://owner@localhost/bank', 'make the book, or bring it up to date'],
      ['daybook migrate --roles', 'make the roles daybook_owner, daybook_writer and daybook_reader too'],
      ['daybook migrate --check', 'exit with 1 when something is pending'],
      ['daybook migrate --print > book.sql', 'the SQL of what is pending, to run it yourself'],
    ],
  })
  command
    .option('--print', 'print the SQL of what is pending, and change nothing')
    .option('--check', 'list what is pending, change nothing, and exit with 1 when there is something')
    .option('--roles', 'make the roles <schema>_owner, <schema>_writer and <schema>_reader too')
    .option('--restored', 'the database was restored from a backup: begin a new epoch')
    .option('--moved', 'every event came along to this place: keep the epoch')
    .action(() => session.run((tools) => migrate(tools, command.opts<MigrateOptions>())))
}

async function migrate(tools: Tools, options: MigrateOptions): Promise<number | undefined> {
  refuseContradictions(options)
  const { store } = await definitionsOf(tools, 'store')
  if (!isPostgres(store)) return await migratesByItself(tools, store, options)
  if (options.check === true) return await check(tools, store)
  if (options.print === true) return await print(tools, store, options.roles ?? false)
  return await apply(tools, store, options)
}

function refuseContradictions({ print, check, roles, restored, moved }: MigrateOptions): void {
  if (restored && moved) throw usage('give --restored or --moved, not both')
  if (print && check) throw usage('give --print or --check, not both')
  if (check && roles) throw usage('--check makes no roles')
  if ((print || check) && (restored || moved))
    throw usage('--restored and --moved change the book: leave out --print and --check')
}

async function migratesByItself(
  { output }: Tools,
  { name }: Store,
  { print, roles, restored, moved }: MigrateOptions,
): Promise<undefined> {
  if (roles || restored || moved)
    throw usage(
      `${name} has no roles, and is a file that may be moved`,
      'These options are for a book on PostgreSQL.',
    )
  if (output.form === 'json') await output.object({ store: name, applied: [], pending: [] })
  else
    await output.line(
      `${print ? '-- ' : ''}${visible(name)} has nothing pending: opening it brings it up to date.`,
    )
}

async function check({ output }: Tools, store: PostgresStore): Promise<number | undefined> {
  const pending = await store.migrations.pending()
  if (output.form === 'json') await output.object({ store: store.name, pending })
  else if (pending.length === 0) await output.line(`${visible(store.name)} has nothing pending.`)
  else for (const name of pending) await output.line(`pending\t${name}`)
  if (pending.length === 0) return undefined
  await output.note('Run `daybook migrate` to apply it, or `daybook migrate --print` to see it.')
  return exitCodes.error[0]
}

async function print({ output }: Tools, store: PostgresStore, roles: boolean): Promise<undefined> {
  const script = await store.migrations.script({ roles })
  if (output.form === 'json') await output.object({ store: store.name, script })
  else await output.text(script)
}

async function apply({ output }: Tools, store: PostgresStore, options: MigrateOptions): Promise<undefined> {
  const { roles = false, restored, moved } = options
  const settle = restored ? ({ settle: 'restored' } as const) : moved ? ({ settle: 'moved' } as const) : {}
  const { isNew, applied, schemaVersion, roles: made } = await store.migrations.apply({ roles, ...settle })
  if (output.form === 'json') {
    await output.object({ store: store.name, isNew, applied, schemaVersion, roles: made, ...settle })
    return
  }
  const name = visible(store.name)
  if (isNew) await output.line(`Made a new book in ${name}, schema version ${schemaVersion}.`)
  else if (applied.length === 0) await output.line(`${name} is up to date, schema version ${schemaVersion}.`)
  else await output.line(`Brought ${name} to schema version ${schemaVersion}: ${applied.join(', ')}.`)
  if (roles) await output.line(`Roles to be granted to the logins that use it: ${made.join(', ')}.`)
  if (restored)
    await output.line('A new epoch has begun: rebuild read models that lie beyond the end of the log.')
  if (moved) await output.line('The book is at home here now.')
}
