/**
 * Broken stores on a real PostgreSQL: each must be caught by the case that claims to see its bug, and whole ones must
 * pass. Cases that PostgreSQL alone has are run on a whole store here.
 */
import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { startServer } from '@daybook/postgres-server'
import { testServer } from '@daybook/postgres-server/testing'
import { nodeHost } from '../library/src/host/node-host.ts'
import { postgres } from '../library/src/postgres/index.ts'
import { one, range } from '../library/src/testing/conformance/context.ts'
import { runCase } from '../library/src/testing/conformance/run.ts'
import { type ConformanceCase, conformanceSuite } from '../library/src/testing/index.ts'
import { type Alteration, endConnections } from './mutants/postgres/altered-driver.ts'
import { type PostgresCase, postgresCases } from './mutants/postgres/cases.ts'
import { freshPostgresBook, type PostgresUnderTest } from './mutants/postgres/fresh-book.ts'
import { losingMutants, type PostgresMutant, postgresMutants } from './mutants/postgres/mutants.ts'

const server = await testServer()
const url = server.url(await server.createDatabase())
after(async () => {
  await endConnections()
  await server.dispose()
})

const cases = new Map<string, ConformanceCase | PostgresCase>(
  [...conformanceSuite.flatMap((group) => group.cases), ...postgresCases].map((each) => [each.name, each]),
)

/** What a case finds wrong with a book, if anything. */
async function complaintOf(
  caseName: string,
  under: PostgresUnderTest,
  timeoutMs = 10_000,
): Promise<Error | undefined> {
  const single = cases.get(caseName)
  assert.ok(single, `no case is called "${caseName}"`)
  const run: ConformanceCase['run'] = (book) => single.run(book, under)
  try {
    await runCase({ name: caseName, run }, () => under, timeoutMs)
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

function broken({ alteration, alterStore }: PostgresMutant): PostgresUnderTest {
  const under = freshPostgresBook(url, alteration)
  return Object.assign(under, { store: alterStore?.(under.store) ?? under.store })
}

describe('broken stores on PostgreSQL', () => {
  for (const mutant of postgresMutants) {
    it(`is caught: ${mutant.name}`, async (test) => {
      const under = broken(mutant)
      const complaint = await complaintOf(mutant.caughtBy, under, mutant.timeoutMs)
      assert.ok(complaint, `it passes "${mutant.caughtBy}"`)
      test.diagnostic(complaint.message.split('\n', 1)[0] ?? '')
      assert.ok(mutant.alterStore !== undefined || under.altered > 0, 'nothing was altered')
    })
    for (const caseName of mutant.withstands ?? []) {
      it(`${mutant.name}, and yet: ${caseName}`, async () => {
        assert.equal(await complaintOf(caseName, broken(mutant)), undefined)
      })
    }
  }

  it('are many, each with a name of its own', () => {
    assert.ok(postgresMutants.length >= 30)
    assert.equal(new Set(postgresMutants.map(({ name }) => name)).size, postgresMutants.length)
  })
})

describe('a whole store on PostgreSQL', () => {
  for (const { name } of postgresCases) {
    it(name, async () => {
      assert.equal(await complaintOf(name, freshPostgresBook(url), 60_000), undefined)
    })
  }

  it('is caught by none of the cases that catch the broken ones', async () => {
    for (const caseName of new Set(postgresMutants.map(({ caughtBy }) => caughtBy))) {
      assert.equal(await complaintOf(caseName, freshPostgresBook(url), 60_000), undefined, caseName)
    }
  })
})

describe('a server that is killed', () => {
  /** How many of five acknowledged events are there when the server is back. */
  async function survivors(alteration?: Alteration): Promise<number> {
    // Nothing but a flush of ours takes what is committed to the disk within the test.
    await using own = await startServer({ settings: { wal_writer_delay: '10s' } })
    const under = freshPostgresBook(own.url(), alteration)
    await runCase(
      {
        name: 'five appends',
        run: async (book) => {
          // Whoever finds another's events at the end of the log leaves the flush for after the commit.
          const logs = [book.log, (await book.open()).log]
          for (const n of range(1, 5)) await book.accept(book.request(one(`a-${n}`)), logs[n % 2])
          await own.stop('SIGKILL')
        },
      },
      () => under,
    )
    await own.start()
    const store = await postgres(own.url(), { schema: under.schema }).open(nodeHost())
    const { position } = await store.log.head()
    await store.close()
    return position
  }

  it('has every acknowledged event when it is back', async () => {
    assert.equal(await survivors(), 5)
  })

  for (const { name, alteration } of losingMutants) {
    it(`has lost some, when broken: ${name}`, async () => {
      assert.ok((await survivors(alteration)) < 5)
    })
  }
})
