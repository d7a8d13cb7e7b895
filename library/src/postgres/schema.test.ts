/**
 * The schema that the migrations make is the one in `schema.txt`, on every version of the server, whole and in
 * partitions. `DAYBOOK_WRITE_SCHEMA=1 node --test library/src/postgres/schema.test.ts` writes what they make instead.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, it } from 'node:test'
import { debianBinaries } from '@daybook/postgres-server'
import { type TestServer, testServer } from '@daybook/postgres-server/testing'
import { Client } from 'pg'
import { migratePostgres, partitionPostgres } from './index.ts'

const isWriting = process.env.DAYBOOK_WRITE_SCHEMA === '1'
const stored = new URL('./schema.txt', import.meta.url)
const debian = debianBinaries(15)
const servers: readonly (readonly [string, TestServer])[] = [
  ['PostgreSQL 18', await testServer()],
  ...(debian === undefined ? [] : [['PostgreSQL 15', await testServer({ binaries: debian })] as const]),
]
after(() => Promise.all(servers.map(([, server]) => server.dispose())))

for (const [version, server] of servers) {
  it(`is what is stored, on ${version}`, async () => {
    const database = await server.createDatabase()
    // Roles belong to all databases of a server, and so to all tests that share one.
    const schema = `schema_${database}`.slice(0, 40)
    const url = server.url(database)
    const client = new Client({ connectionString: url, options: `-c search_path=${schema}` })
    await client.connect()
    try {
      await migratePostgres(url, { schema, roles: true })
      const whole = await dump(client, schema)
      await partitionPostgres(url, { schema, events: 1_000 })
      const divided = await dump(client, schema)
      const text = [
        '# The schema as the migrations make it, with its roles',
        ...whole,
        '',
        '# What partitions of 1,000 events change',
        ...changes(whole, divided),
        '',
      ].join('\n')
      if (isWriting) writeFileSync(stored, text)
      assert.equal(text, readFileSync(stored, 'utf8'))
    } finally {
      await client.end()
    }
  })
}

/** Lines that came and went. */
function changes(before: readonly string[], later: readonly string[]): readonly string[] {
  const gone = before.filter((line) => !later.includes(line)).map((line) => `- ${line}`)
  const come = later.filter((line) => !before.includes(line)).map((line) => `+ ${line}`)
  return [...gone, ...come]
}

/** A line for each thing in the schema, in an order that does not depend on the server. */
async function dump(client: Client, schema: string): Promise<readonly string[]> {
  const lines: string[] = []
  for (const text of Object.values(catalogues)) {
    const { rows } = await client.query<[string]>({ text, rowMode: 'array' })
    const told = rows.map(([line]) =>
      line.replaceAll(`${schema}_`, '<schema>_').replaceAll(schema, '<schema>'),
    )
    lines.push(...told.sort((one, other) => (one < other ? -1 : 1)))
  }
  return lines
}

const ours = `relnamespace = current_schema()::regnamespace`

/** What each is granted, to whom: the owner's own rights, and those that everybody has by default, are left out. */
const granted = (acl: string, owner: string, byDefault: string): string => `
  coalesce((SELECT string_agg(concat_ws(' ', CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
      privilege_type, CASE WHEN is_grantable THEN 'WITH GRANT OPTION' END), ', '
      ORDER BY grantee::regrole::text COLLATE "C", privilege_type COLLATE "C")
    FROM aclexplode(coalesce(${acl}, acldefault(${byDefault}, ${owner}))) WHERE grantee <> ${owner}), 'nobody')`

const catalogues = {
  schemas: `
    SELECT format('schema %s owned by %s, granted to %s', nspname, nspowner::regrole,
      ${granted('nspacl', 'nspowner', `'n'`)})
    FROM pg_namespace WHERE nspname IN (current_schema(), current_schema() || '_read')`,
  tables: `
    SELECT concat('table ', relname, CASE relkind WHEN 'p' THEN ' partitioned by ' || pg_get_partkeydef(oid) END,
      CASE WHEN relispartition THEN ' partition ' || pg_get_expr(relpartbound, oid) END,
      CASE relpersistence WHEN 'p' THEN '' ELSE ' not permanent' END,
      ' owned by ', relowner::regrole, ' with ', coalesce(array_to_string(reloptions, ', '), 'nothing'),
      ', granted to ', ${granted('relacl', 'relowner', `'r'`)})
    FROM pg_class WHERE ${ours} AND relkind NOT IN ('i', 'I', 't')`,
  columns: `
    SELECT format('column %s.%s %s %s%s%s%s', relname, lpad(attnum::text, 2, '0'), attname,
      format_type(atttypid, atttypmod),
      CASE WHEN attcollation <> 0 THEN ' collate ' || attcollation::regcollation END,
      CASE WHEN attnotnull THEN ' not null' END,
      ' default ' || pg_get_expr(adbin, adrelid))
    FROM pg_class JOIN pg_attribute AS a ON attrelid = pg_class.oid
      LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE ${ours} AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped`,
  // PostgreSQL 18 keeps NOT NULL here too, where older ones keep it with the column alone.
  constraints: `
    SELECT format('constraint %s on %s: %s%s', conname, relname, pg_get_constraintdef(c.oid),
      CASE WHEN NOT convalidated THEN ' not validated' END)
    FROM pg_constraint AS c JOIN pg_class ON pg_class.oid = conrelid WHERE ${ours} AND contype <> 'n'`,
  indexes: `
    SELECT concat(pg_get_indexdef(indexrelid), CASE WHEN NOT indisvalid THEN ' not valid' END)
    FROM pg_class JOIN pg_index ON indrelid = pg_class.oid WHERE ${ours}`,
  triggers: `
    SELECT format('%s, %s', pg_get_triggerdef(t.oid),
      CASE tgenabled WHEN 'O' THEN 'enabled' WHEN 'A' THEN 'always enabled' ELSE 'disabled' END)
    FROM pg_class JOIN pg_trigger AS t ON tgrelid = pg_class.oid WHERE ${ours} AND NOT tgisinternal`,
  functions: `
    SELECT format('function %s returns %s, %s, %s, %s, owned by %s, with %s, granted to %s, source %s', oid::regprocedure,
      prorettype::regtype, (SELECT lanname FROM pg_language AS l WHERE l.oid = prolang),
      CASE provolatile WHEN 'v' THEN 'volatile' WHEN 's' THEN 'stable' ELSE 'immutable' END,
      CASE WHEN prosecdef THEN 'security definer' ELSE 'security invoker' END, proowner::regrole,
      coalesce(array_to_string(proconfig, ', '), 'nothing'), ${granted('proacl', 'proowner', `'f'`)},
      left(md5(prosrc), 12))
    FROM pg_proc WHERE pronamespace = current_schema()::regnamespace`,
  // Types of rows come with their tables.
  types: `
    SELECT format('type %s', typname) FROM pg_type
    WHERE typnamespace = current_schema()::regnamespace AND typrelid = 0 AND typelem = 0`,
}
