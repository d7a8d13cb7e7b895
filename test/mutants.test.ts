/**
 * A suite that has never failed proves nothing: each broken store here must be caught by the case that claims to see
 * its bug, and whole stores, wrapped in the same way, must pass.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { memory } from '../library/src/memory/index.ts'
import { type ConformanceOptions, runConformance, type StoreFactory } from '../library/src/testing/index.ts'
import { brokenLog, brokenRequests, brokenRows } from './mutants/altered-store.ts'
import { appendingMutants } from './mutants/appending.ts'
import { copyingMutants } from './mutants/copying.ts'
import { derivingMutants } from './mutants/deriving.ts'
import { followingMutants } from './mutants/following.ts'
import { guardingMutants } from './mutants/guarding.ts'
import { freshSqliteBook, joiningMutants } from './mutants/joining.ts'
import { readingMutants } from './mutants/reading.ts'

const mutants = [
  ...appendingMutants,
  ...guardingMutants,
  ...readingMutants,
  ...derivingMutants,
  ...copyingMutants,
  ...followingMutants,
  ...joiningMutants,
]

async function failures(factory: StoreFactory, options?: ConformanceOptions): Promise<readonly string[]> {
  const { failed } = await runConformance(factory, options)
  return failed.map(({ name }) => name)
}

describe('broken stores', () => {
  for (const { name, caughtBy, factory } of mutants) {
    it(`is caught: ${name}`, async () => {
      // Enough for any case of a whole store; a broken one may keep a case waiting for ever.
      const caught = await failures(factory, { only: [caughtBy], timeoutMs: 300 })
      assert.deepEqual(caught, [caughtBy], `it passes "${caughtBy}"`)
    })
  }

  it('are many, each with a name of its own', () => {
    assert.ok(mutants.length >= 30)
    assert.equal(new Set(mutants.map(({ name, caughtBy }) => `${name}: ${caughtBy}`)).size, mutants.length)
  })

  it('are whole when nothing is altered', async () => {
    const unaltered = [
      brokenLog('whole', '', () => ({})),
      brokenRequests('whole', '', (request) => request),
      brokenRows('whole', '', () => (row) => row),
    ]
    // What the memory store fails when it is whole says nothing about a bug.
    const ownFailures = await failures(() => ({ store: memory() }))
    const vacuous = mutants.filter(
      (each) => !joiningMutants.includes(each) && ownFailures.includes(each.caughtBy),
    )
    assert.deepEqual(vacuous, [], 'these would be caught without their bug')
    for (const { factory } of unaltered) assert.deepEqual(await failures(factory), ownFailures)
    assert.deepEqual(await failures(freshSqliteBook), [])
  })
})
