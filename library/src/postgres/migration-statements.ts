import { mayBecome, readSchemaOf } from './read-model-statements.ts'
import { literal, quoted, type Statement, statement } from './statements.ts'

/** Every SQL text of the migration runner besides the numbered files themselves. */
export interface MigrationStatements {
  readonly lock: string
  readonly createSchema: string
  readonly useSchema: string
  readonly createTable: string
  /** Whether there is a table of migrations, how many tables else there are, whether there is a schema. */
  readonly inspect: Statement
  readonly readApplied: Statement
  readonly insertApplied: Statement
  readonly insertBook: Statement
  /** Where the book is, and where it says that it is. */
  readonly readHome: Statement
  readonly settleMoved: string
  readonly settleRestored: string
  readonly createReadSchema: string
  readonly createRoles: string
  readonly grant: string
}

/** The roles that a book has when they are asked for. */
export function rolesOf(schema: string): readonly string[] {
  return ['owner', 'writer', 'reader'].map((role) => `${schema}_${role}`)
}

/** Texts for the book in a schema. */
export function migrationStatements(schema: string): MigrationStatements {
  const name = quoted(schema)
  const readName = quoted(readSchemaOf(schema))
  const home = homeOf(schema)
  return {
    lock: `SELECT pg_advisory_xact_lock(${0x6479626b}, hashtext(${literal(schema)}))`,
    createSchema: `CREATE SCHEMA IF NOT EXISTS ${name}`,
    useSchema: `SET LOCAL search_path = ${name}, pg_temp`,
    createTable: `CREATE TABLE IF NOT EXISTS ${name}.migration (
  number        integer NOT NULL PRIMARY KEY,
  name          text    NOT NULL,
  is_breaking   boolean NOT NULL,
  applied_at_ms bigint  NOT NULL
)`,
    inspect: statement(`
      SELECT EXISTS (SELECT FROM pg_attribute
          WHERE attrelid = to_regclass(${literal(`${name}.migration`)}) AND attname = 'is_breaking'),
        (SELECT count(*) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
          WHERE n.nspname = ${literal(schema)} AND c.relkind IN ('r', 'p', 'v', 'm', 'f')),
        EXISTS (SELECT FROM pg_namespace WHERE nspname = ${literal(schema)})`),
    readApplied: statement(`SELECT number, is_breaking FROM ${name}.migration ORDER BY number`),
    insertApplied: statement(
      `INSERT INTO ${name}.migration (number, name, is_breaking, applied_at_ms) VALUES ($1, $2, $3, $4)`,
    ),
    insertBook: statement(`
      INSERT INTO ${name}.book (book_id, epoch, home, created_at_ms) VALUES ($1, 1, ${home}, $2)
      ON CONFLICT DO NOTHING`),
    readHome: statement(`SELECT home, ${home} FROM ${name}.book`),
    settleMoved: `UPDATE ${name}.book SET home = ${home}`,
    // Checkpoints that came back with the log are of this history; one that lies beyond it is left to be found. Whoever
    // held a lease or was a member of a group was so elsewhere, and what lies beyond the log may be another event.
    settleRestored: `
      UPDATE ${name}.checkpoint SET epoch = epoch + 1
        WHERE position <= (SELECT coalesce(max(position), 0) FROM ${name}.event);
      UPDATE ${name}.checkpoint SET owner = NULL, token = token + 1, leased_until_ms = 0, is_taken_over = false,
        trial_position = NULL, trial_attempts = NULL;
      DELETE FROM ${name}.member;
      DELETE FROM ${name}.parked_event WHERE position > (SELECT coalesce(max(position), 0) FROM ${name}.event);
      DELETE FROM ${name}.seen_event WHERE position > (SELECT coalesce(max(position), 0) FROM ${name}.event);
      UPDATE ${name}.book SET home = ${home}, epoch = epoch + 1`,
    createReadSchema: `CREATE SCHEMA IF NOT EXISTS ${readName}`,
    createRoles: [...rolesOf(schema).map(createRole), joinOwner(schema)].join(';\n'),
    grant: `${handOver(schema)};\n${grants(schema)}`,
  }
}

/**
 * Where a schema lives: the cluster, the database, the schema, by the numbers they were born with. A dump restored
 * elsewhere, or over what it was taken from, has another home.
 */
function homeOf(schema: string): string {
  return `(SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
    (SELECT oid FROM pg_database WHERE datname = current_database()), ${literal(quoted(schema))}::regnamespace::oid))`
}

/** Roles belong to the whole cluster, so another database may have made them already, or does so at this moment. */
function createRole(role: string): string {
  return `DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(role)}) THEN
    CREATE ROLE ${quoted(role)} NOLOGIN;
  END IF;
EXCEPTION WHEN unique_violation OR duplicate_object THEN NULL;
END $$`
}

/** Only members of a role can give it what they own. A superuser need not be one. */
function joinOwner(schema: string): string {
  const owner = `${schema}_owner`
  return `DO $$ BEGIN
  IF NOT ${mayBecome(literal(owner))} THEN
    GRANT ${quoted(owner)} TO CURRENT_USER;
  END IF;
EXCEPTION WHEN unique_violation THEN NULL;
END $$`
}

/**
 * Makes everything of the book belong to the owning role, where there is one, whoever migrates. So any of its members
 * can migrate the next time, and the functions that run with their owner's rights do not have those of a superuser.
 * Read models belong to the writing role.
 */
function handOver(schema: string): string {
  const [name, readName] = [quoted(schema), quoted(readSchemaOf(schema))]
  const owner = `${schema}_owner`
  return `DO $$
DECLARE
  new_owner oid := (SELECT oid FROM pg_roles WHERE rolname = ${literal(owner)} AND ${mayBecome('oid')});
  held      record;
BEGIN
  FOR held IN
    SELECT 1 AS place, 'SCHEMA' AS kind, quote_ident(nspname) AS name FROM pg_namespace
      WHERE oid IN (${literal(name)}::regnamespace, ${literal(readName)}::regnamespace) AND nspowner <> new_owner
    UNION ALL
    SELECT 2, 'TABLE', oid::regclass::text FROM pg_class
      WHERE relnamespace = ${literal(name)}::regnamespace AND relkind IN ('r', 'p') AND relowner <> new_owner
    UNION ALL
    SELECT 3, 'FUNCTION', oid::regprocedure::text FROM pg_proc
      WHERE pronamespace = ${literal(name)}::regnamespace AND proowner <> new_owner
    ORDER BY 1
  LOOP
    EXECUTE format('ALTER %s %s OWNER TO %I', held.kind, held.name, ${literal(owner)});
  END LOOP;
END $$`
}

/** What each role may do, for those of the roles that exist; can be run any number of times. */
function grants(schema: string): string {
  const [name, readName] = [quoted(schema), quoted(readSchemaOf(schema))]
  const writer = quoted(`${schema}_writer`)
  const reader = quoted(`${schema}_reader`)
  const derived = ['checkpoint', 'snapshot', 'member', 'parked_event', 'seen_event', 'read_model']
    .map((table) => `${name}.${table}`)
    .join(', ')
  const all = `ARRAY(SELECT oid::regclass::text FROM pg_class
    WHERE relnamespace = ${literal(name)}::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition)`
  // A partition is reached through the log alone, so nobody is granted anything on it.
  return `DO $$
DECLARE
  tables text := array_to_string(${all}, ', ');
BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(`${schema}_reader`)}) THEN
    GRANT USAGE ON SCHEMA ${name}, ${readName} TO ${reader};
    EXECUTE concat('GRANT SELECT ON ', tables, ' TO ${reader}');
  END IF;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = ${literal(`${schema}_writer`)}) THEN
    GRANT USAGE ON SCHEMA ${name} TO ${writer};
    EXECUTE concat('GRANT SELECT ON ', tables, ' TO ${writer}');
    GRANT EXECUTE ON FUNCTION ${name}.extend_partitions(bigint) TO ${writer};
    GRANT INSERT ON ${name}.event, ${name}.idempotency_key TO ${writer};
    GRANT INSERT, UPDATE, DELETE ON ${derived} TO ${writer};
    GRANT USAGE, CREATE ON SCHEMA ${readName} TO ${writer};
  END IF;
END $$`
}

/** Whether the server is a replica. */
export const readRecovery: Statement = statement('SELECT pg_is_in_recovery()')

/** What makes a new book, or brings one up to date, as one script; run twice, the second run fails and changes nothing. */
export function migrationScript(
  sql: MigrationStatements,
  files: readonly {
    readonly number: number
    readonly name: string
    readonly text: string
    readonly isBreaking: boolean
  }[],
  book: { readonly newId: () => string; readonly now: () => number },
  { isNew, roles }: { readonly isNew: boolean; readonly roles: boolean },
): string {
  const now = book.now()
  const bound = ({ text }: Statement, values: readonly unknown[]): string =>
    text.trim().replaceAll(/\$(\d+)/g, (_match, place) => {
      const value = values[Number(place) - 1]
      return typeof value === 'string' ? literal(value) : String(value)
    })
  const applied = files.map(({ number, name, text, isBreaking }) => {
    return `-- ${name}\n${text.trim()}\n${bound(sql.insertApplied, [number, name, isBreaking, now])};`
  })
  const statements = [
    'BEGIN',
    sql.lock,
    ...(isNew ? [sql.createSchema] : []),
    sql.useSchema,
    ...(isNew ? [sql.createTable] : []),
    ...(applied.length === 0 ? [] : [applied.join('\n\n').replace(/;$/, '')]),
    ...(isNew ? [bound(sql.insertBook, [book.newId(), now]), sql.createReadSchema] : []),
    ...(roles ? [sql.createRoles] : []),
    sql.grant,
    'COMMIT',
  ]
  return `${statements.join(';\n\n')};\n`
}
