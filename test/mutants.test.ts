/**
 * A suite that has never failed proves nothing: each broken store here must be caught by the case that claims to see
 * its bug, and whole stores, wrapped in the same way, must pass.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { memory } from '../library/src/memory/index.ts'
import {
  type ConformanceOptions,
  conformanceSuite,
  runConformance,
  type StoreFactory,
} from '../library/src/testing/index.ts'
import { brokenLog, brokenRequests, brokenRows, type Mutant } from './mutants/altered-store.ts'
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

/** Slow ones, run only against the mutants that they claim to see. */
const slow = [
  'large events are read whole, however many a page holds',
  'an event may have as many bytes as the limit allows',
  'an append may hold 1,000 events',
  'a stream of 1,203 events is read whole, both ways',
  '1,203 events are read whole around the boundaries of pages',
  'a tag that many events carry, and one that few carry, are found together',
  'random queries find what the rules say',
  'pages in the order of columns of any type give every document once, nulls and ties included',
]
/** Groups about subscriptions alone, and about nothing else: run against the mutants that break these, and only these. */
const followingGroups = [
  'copies of read models',
  'leases and members',
  'leases and what is written under them',
  'transactions of subscriptions',
  'parked events and the inbox',
]
const namesOf = (isOfFollowing: boolean): readonly string[] =>
  conformanceSuite
    .filter(({ name }) => followingGroups.includes(name) === isOfFollowing)
    .flatMap(({ cases }) => cases.map(({ name }) => name))
const quick = namesOf(false).filter((name) => !slow.includes(name))
const followingCases = namesOf(true)

const joiningCases = joiningMutants.map(({ caughtBy }) => caughtBy)

function casesFor(mutant: Mutant): readonly string[] {
  if (joiningMutants.includes(mutant)) return joiningCases
  if (copyingMutants.includes(mutant) || followingMutants.includes(mutant)) return followingCases
  return [...quick, mutant.caughtBy]
}

async function failures(factory: StoreFactory, options?: ConformanceOptions): Promise<readonly string[]> {
  const { failed } = await runConformance(factory, options)
  return failed.map(({ name }) => name)
}

describe('broken stores', async () => {
  // What the memory store fails when it is whole says nothing about a bug.
  const ownFailures = new Set(await failures(() => ({ store: memory() })))

  for (const mutant of mutants) {
    const { name, caughtBy, factory } = mutant
    it(`is caught: ${name}`, async (test) => {
      const only = casesFor(mutant)
      // Enough for any case of a whole store; a broken one may keep a case waiting for ever.
      const caught = await failures(factory, { only, timeoutMs: 300 })
      test.diagnostic(`caught by: ${caught.filter((each) => !ownFailures.has(each)).join('; ') || 'nothing'}`)
      assert.ok(caught.includes(caughtBy), `it passes "${caughtBy}"`)
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
    for (const { factory } of unaltered) assert.deepEqual(await failures(factory), [...ownFailures])
    assert.deepEqual(await failures(freshSqliteBook), [])
  })
})
