/**
 * Every read that an append, a subscription or a read model waits for uses the index that is meant for it, whatever the
 * server knows of the tables: in plans made for any parameters, with and without ANALYZE, on a log that is whole and on
 * one in partitions.
 */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { debianBinaries } from '@daybook/postgres-server'
import { type TestServer, testServer } from '@daybook/postgres-server/testing'
import { Client } from 'pg'
import { type CursorPlace, queriesAfter } from '../core/document-cursor.ts'
import type { DocumentQuery } from '../core/document-query.ts'
import type { ParkedFilter } from '../core/ports/following.ts'
import type { ReadModelShape } from '../core/ports/read-models.ts'
import { followingStatements, selectParked } from './following-statements.ts'
import { migratePostgres, partitionPostgres } from './index.ts'
import { checkpointStatements, findDocuments, readModelStatements } from './read-model-statements.ts'
import { logStatements, packed } from './statements.ts'

const events = 20_000
const schema = 'explained'
const shape: ReadModelShape = {
  name: 'balances',
  version: 1,
  columns: { cents: 'integer', owner: 'text', rate: 'real', is_open: 'boolean' },
}
const sql = logStatements(schema)
const following = followingStatements(schema)
const readModel = readModelStatements(schema, shape)
const end = Number.MAX_SAFE_INTEGER

/** A text, its parameters as literals of SQL, and the indexes that its plan must name. */
type Read = readonly [text: string, parameters: string, ...indexes: string[]]
interface Reads {
  readonly [name: string]: Read
}

// With partitions each has a primary key of its own: event_1_pkey, event_4001_pkey …
const position = 'event(_[0-9]+)?_pkey'
const stream = 'event_index_pkey'
const tag = 'event_tag_pkey'
// Which of them is for the server to say; each begins with the subscription.
const parkedIndex = 'parked_event_(pkey|status|stream|due)'

/** Kept prepared, so that the server makes one plan for all parameters. */
const reads: Reads = {
  'the head': [sql.readHead.text, `${events - 10}`, position],
  'the head from the start': [sql.readHead.text, '0', position],
  'rows that are sent ahead': [
    sql.insertBehind.text,
    `ARRAY[1], ARRAY['a-1'], ARRAY[1], ARRAY['T'], ARRAY[1], ARRAY[gen_random_uuid()], ARRAY['{}'::json],
      ARRAY['{}'::json], ARRAY['[]'::json], ARRAY[0], ARRAY[''::bytea], ARRAY[''::bytea], ${events - 10}, ''`,
    position,
  ],
  'a flush': [sql.flush.text, 'ARRAY[700], 700', position],
  'a flush of one event': [sql.flushOne.text, '700, 700', position],
  heads: [sql.readVersions.text, `ARRAY['account-1','account-2'], ARRAY[0, 3]`, stream],
  'idempotency keys': [sql.readKeys.text, `ARRAY['key-1','key-2']`, 'idempotency_key_pkey'],
  'event ids': [sql.readIds.text, `ARRAY[gen_random_uuid()]`, 'event_index_id_key'],
  'a stream forwards': [sql.readStreamForwards.text, `'account-1', 1, ${end}, NULL, 1000`, stream, position],
  'a stream backwards': [sql.readStreamBackwards.text, `'account-1', 1, ${end}, NULL, 1`, stream, position],
  'a stream by type': [
    sql.readStreamForwards.text,
    `'account-1', 1, ${end}, ARRAY['Type1'], 1000`,
    stream,
    position,
  ],
  'a page of the log': [sql.readLog.all.text, `500, ${end}, 1000`, position],
  'a packed page of the log': [packed(sql.readLogBriefly.all, true).text, `500, ${end}, 1000`, position],
  'a packed page by type': [
    packed(sql.readLogBriefly.byTypeAndCategory, true).text,
    `500, ${end}, ARRAY['Type1'], ARRAY['account'], 1000`,
    position,
  ],
  'a packed page by tags': [
    packed(sql.readLogBriefly.byTags, true).text,
    `0, ${end}, NULL, NULL, 'owner:7', ARRAY['region:1'], 1000`,
    tag,
    position,
  ],
  'a packed page of whole rows': [packed(sql.readLog.all, false).text, `500, ${end}, 1000`, position],
  'a packed page of a stream': [
    packed(sql.readStreamForwards, false).text,
    `'account-1', 1, ${end}, NULL, 1000`,
    stream,
    position,
  ],
  'the end of the log': [sql.readLog.all.text, `${events - 10}, ${end}, 1000`, position],
  'the log by tags': [
    sql.readLog.byTags.text,
    `0, ${end}, NULL, NULL, 'owner:7', ARRAY['region:1'], 1000`,
    tag,
    position,
  ],
  'the log by one tag': [
    sql.readLog.byTags.text,
    `0, ${end}, NULL, NULL, 'owner:7', '{}', 1000`,
    tag,
    position,
  ],
  'the log by type and category': [
    sql.readLog.byTypeAndCategory.text,
    `500, ${end}, ARRAY['Type1'], ARRAY['account'], 1000`,
    position,
  ],
  'a condition on tags': [
    sql.matchByTags.text,
    `100, ${end}, ARRAY['Type1'], NULL, 'owner:7', ARRAY['region:1']`,
    tag,
    position,
  ],
  'a condition on type and category': [
    sql.matchByTypeAndCategory.text,
    `${events - 10}, ${end}, ARRAY['Type1'], ARRAY['account']`,
    position,
  ],
  hashes: [sql.readHashes.text, '500, 1000', position],
  'the bounds of a page': [sql.readBounds.text, `${events - 10}`, position],
  'a snapshot': [sql.readSnapshot.text, `'account-1', 'account'`, 'snapshot_pkey'],
  'a checkpoint': [checkpointStatements(schema).read.text, `'subscription-1'`, 'checkpoint_pkey'],
  'a lease to be taken': [
    following.acquireLease.text,
    `'subscription-1', 'owner-1', 5000`,
    'checkpoint_pkey',
  ],
  'members of a group': [following.readMembers.text, `'group-1'`, 'member_pkey'],
  'seen events': [following.readSeen.text, `'subscription-1', ARRAY['id 1', 'id 2']`, 'seen_event_pkey'],
  'seen events to forget': [following.forgetSeen.text, `'subscription-1', 7`, 'seen_event_position'],
  'a parked event': [
    ...parkedWhere({ subscription: 'subscription-1', position: 7 }, `'subscription-1', 7`),
    'parked_event_pkey',
  ],
  'parked events that are due': [
    ...parkedWhere({ subscription: 'subscription-1', dueAtMs: 5 }, `'subscription-1', 5`),
    parkedIndex,
  ],
  'parked events of a stream': [
    ...parkedWhere({ subscription: 'subscription-1', stream: 'account-1' }, `'subscription-1', 'account-1'`),
    parkedIndex,
  ],
  'parked events of a status': [
    ...parkedWhere(
      { subscription: 'subscription-1', statuses: ['retrying'] },
      `'subscription-1', '{retrying}'`,
    ),
    parkedIndex,
  ],
  'the copies of a read model': [following.readReadModel.text, `'model 7'`, 'read_model_pkey'],
  'documents by key': [readModel.load.text, `ARRAY['account-1','account-2']`, 'balances_v1_pkey'],
}

/** Not kept prepared: the server plans each for its parameters. */
const finds: Reads = {
  'documents where a column equals': [
    ...found([{ column: 'cents', operator: 'eq', value: 7 }], [], '7'),
    'balances_v1_1',
  ],
  'documents where a text equals': [
    ...found([{ column: 'owner', operator: 'eq', value: 'owner-7' }], [], `'owner-7'`),
    'balances_v1_2',
  ],
  'documents where a column is among some': [
    ...found([{ column: 'cents', operator: 'in', value: [7, 9] }], [], 'ARRAY[7,9]'),
    'balances_v1_1',
  ],
  'documents in a range, in its order': [
    ...found(
      [
        { column: 'cents', operator: 'gte', value: 100 },
        { column: 'cents', operator: 'lt', value: 200 },
      ],
      [{ column: 'cents', direction: 'asc' }],
      '100, 200',
    ),
    'balances_v1_1',
  ],
  'the largest documents': [
    ...found(
      [{ column: 'cents', operator: 'gt', value: 100 }],
      [{ column: 'cents', direction: 'desc' }],
      '100',
    ),
    'balances_v1_1',
  ],
  'documents in the order of a column': [
    ...found([], [{ column: 'rate', direction: 'desc' }], ''),
    'balances_v1_3',
  ],
  'documents in the order of their keys': [...found([], [], ''), 'balances_v1_pkey'],
  'documents in the falling order of their keys': [
    ...found([], [{ column: 'key', direction: 'desc' }], ''),
    'balances_v1_pkey',
  ],
  ...behind([], ['account-15000'], [`'account-15000'`], 'balances_v1_pkey'),
  ...behind(
    [{ column: 'key', direction: 'desc' }],
    ['account-15000'],
    [`'account-15000'`],
    'balances_v1_pkey',
  ),
  ...behind(
    [{ column: 'cents', direction: 'asc' }],
    [3_000, 'account-5'],
    [`3000, 'account-5'`, '3000'],
    'balances_v1_1',
  ),
  ...behind(
    [{ column: 'cents', direction: 'asc' }],
    [null, 'account-5'],
    [`'account-5'`, '-9007199254740991'],
    'balances_v1_1',
  ),
  ...behind(
    [{ column: 'rate', direction: 'desc' }],
    [300, 'account-5'],
    [`300, 'account-5'`, '300', ''],
    'balances_v1_3',
  ),
  ...behind(
    [
      { column: 'owner', direction: 'asc' },
      { column: 'cents', direction: 'desc' },
    ],
    ['owner-499', 1_000, 'account-5'],
    [`'owner-499', 1000, 'account-5'`, `'owner-499', 1000`, `'owner-499'`, `'owner-499'`],
    'balances_v1_[12]',
  ),
}

/** The queries that give what comes behind a document, whose parameters are given for each; each must name the index. */
function behind(
  orderBy: DocumentQuery['orderBy'],
  place: CursorPlace,
  parameters: readonly string[],
  index: string,
): Reads {
  const queries = queriesAfter(shape, { where: [], orderBy, limit: 50 }, place)
  assert.equal(queries.length, parameters.length)
  const title = orderBy.map(({ column, direction }) => `${column} ${direction}`).join(', ') || 'key'
  return Object.fromEntries(
    queries.map((query, nth) => [
      `behind ${JSON.stringify(place)} in the order of ${title}, query ${nth + 1}`,
      [...found(query.where, query.orderBy, parameters[nth] ?? ''), index],
    ]),
  )
}

function parkedWhere(
  filter: Omit<ParkedFilter, 'limit'>,
  parameters: string,
): [text: string, parameters: string] {
  const { text } = selectParked(schema, { ...filter, limit: 50 }, false)
  return [text, `${parameters}, 50`]
}

function found(
  where: DocumentQuery['where'],
  orderBy: DocumentQuery['orderBy'],
  parameters: string,
): [text: string, parameters: string] {
  const { text } = findDocuments(schema, shape, { where, orderBy, limit: 50 })
  return [text, parameters === '' ? '50' : `${parameters}, 50`]
}

const debian = debianBinaries(15)
const servers: readonly (readonly [string, TestServer])[] = [
  ['PostgreSQL 18', await testServer()],
  ...(debian === undefined ? [] : [['PostgreSQL 15', await testServer({ binaries: debian })] as const]),
]

for (const [server, { createDatabase, url, dispose }] of servers) {
  after(dispose)
  for (const partitions of [1, 5]) {
    describe(`${server}, ${partitions === 1 ? 'a whole log' : `a log in ${partitions} partitions`}`, async () => {
      const client = new Client({ connectionString: url(await createDatabase()) })
      const connected = client.connect().then(() => filled(client, partitions))
      after(() => client.end())

      for (const knowledge of ['without ANALYZE', 'with ANALYZE']) {
        test(knowledge, async (context) => {
          await connected
          if (knowledge === 'with ANALYZE') await client.query('ANALYZE')
          for (const [mode, each] of [
            ['force_generic_plan', reads] as const,
            ['force_custom_plan', finds] as const,
          ]) {
            for (const [name, read] of Object.entries(each)) {
              await context.test(name, async () => requireIndexes(await planOf(client, mode, read), read))
            }
          }
        })
      }
    })
  }
}

function requireIndexes(plan: string, [, , ...indexes]: Read): void {
  for (const index of indexes)
    assert.match(plan, new RegExp(`using ${index}\\b|Bitmap Index Scan on ${index}\\b`))
  const scanned = [...plan.matchAll(/Seq Scan on (\w+)/g)].map(([, table]) => table ?? '')
  // The book is one row; a partition beyond the head is empty, and what is empty is read from end to end.
  const isEmpty = (table: string): boolean => Number(/^event_([0-9]+)$/.exec(table)?.[1]) > events
  assert.deepEqual(
    scanned.filter((table) => table !== 'book' && !isEmpty(table)),
    [],
    plan,
  )
}

async function filled(client: Client, partitions: number): Promise<void> {
  const { host, port, user, password, database } = client
  const settings = { host, port, user, password, database }
  await migratePostgres(settings, { schema })
  if (partitions > 1) await partitionPostgres(settings, { schema, events: events / partitions })
  await client.query(readModel.create)
  for (const { text } of readModel.createIndexes) await client.query(text)
  await client.query(`SET search_path = ${schema}, ${schema}_read`)
  // The server would look at the tables in the middle of the test.
  await client.query(`DO $$ DECLARE held regclass; BEGIN
    FOR held IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace IN ('${schema}'::regnamespace, '${schema}_read'::regnamespace)
    LOOP EXECUTE format('ALTER TABLE %s SET (autovacuum_enabled = false)', held); END LOOP; END $$`)
  if (partitions > 1) await client.query(`SELECT extend_partitions(${events})`)
  await client.query(`
    INSERT INTO event (position, stream, version, type, schema_version, id, data, metadata, tags, recorded_at_ms,
      leaf_hash, chain_hash)
    SELECT p, CASE p % 1000 % 3 WHEN 0 THEN 'order-' ELSE 'account-' END || p % 1000, (p - 1) / 1000 + 1, 'Type' || p % 7, 1,
      gen_random_uuid(), json_build_object('cents', p), '{}', json_build_array('owner:' || p % 500, 'region:' || p % 3),
      p, sha256(p::text::bytea), sha256(p::text::bytea)
    FROM generate_series(1, ${events}) AS p;
    INSERT INTO idempotency_key SELECT 'key-' || p, 'f', p, 1 FROM generate_series(1, 5000) AS p;
    INSERT INTO snapshot SELECT 'account-' || p, 'account', 'f', 1, p, 'e', '{}', 'c' FROM generate_series(1, 5000) AS p;
    INSERT INTO checkpoint SELECT 'subscription-' || p, p, 1, 'f', 1 FROM generate_series(1, 2000) AS p;
    INSERT INTO member SELECT 'group-' || p % 300, 'owner-' || p, p FROM generate_series(1, 3000) AS p;
    INSERT INTO seen_event SELECT 'subscription-' || p % 20, 'id ' || p, p FROM generate_series(1, 20000) AS p;
    INSERT INTO parked_event SELECT 'subscription-' || p % 20, p, 'id ' || p, 'account-' || p % 500, 'Type1',
        CASE p % 100 WHEN 0 THEN 'retrying' ELSE 'parked' END, 1, 'it failed', CASE p % 100 WHEN 0 THEN p END, p, p, NULL, NULL
      FROM generate_series(1, 20000) AS p;
    INSERT INTO read_model SELECT 'model ' || p, 1, 1, NULL, NULL, NULL, NULL, p FROM generate_series(1, 3000) AS p;
    INSERT INTO balances_v1 SELECT 'account-' || p, '{}', p % 4000, 'owner-' || p % 500, p % 977, p % 2 = 0
      FROM generate_series(1, 20000) AS p`)
}

async function planOf(client: Client, mode: string, [text, parameters]: Read): Promise<string> {
  await client.query(`SET plan_cache_mode = ${mode}; PREPARE explained AS ${text}`)
  try {
    const explain = `EXPLAIN (COSTS OFF) EXECUTE explained (${parameters})`
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(explain)
    return rows.map((row) => row['QUERY PLAN']).join('\n')
  } finally {
    await client.query('DEALLOCATE explained')
  }
}
