import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { StoreFactory } from './case.ts'
import { type ConformanceOptions, runCase, runDeviation, unknownDeviations } from './run.ts'
import { conformanceSuite } from './suite.ts'

/**
 * Declares the suite as tests of node:test, one for each case.
 *
 * `testConformance('sqlite', factory, { deviations: { 'name of a case': 'why not' } })`
 */
export function testConformance(name: string, factory: StoreFactory, options: ConformanceOptions = {}): void {
  const { deviations = {}, only, timeoutMs } = options
  describe(`${name} conforms`, () => {
    for (const group of conformanceSuite) {
      describe(group.name, () => {
        for (const single of group.cases) {
          if (only !== undefined && !only.includes(single.name)) continue
          const reason = deviations[single.name]
          if (reason === undefined) it(single.name, () => runCase(single, factory, timeoutMs))
          else it(`deviates: ${single.name} (${reason})`, () => runDeviation(single, factory, timeoutMs))
        }
      })
    }
    it('every deviation is that of a case', () => {
      assert.deepEqual(unknownDeviations(deviations), [])
    })
  })
}
