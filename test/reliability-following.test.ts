/** The quick tier of T7; `npm run torture -- T7` runs it in full. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { firstThatMatters } from '../torture/following/forgeries.ts'
import { storeNames, storeTitles } from '../torture/stores/address.ts'
import { noEventSkipped } from '../torture/t07-no-event-skipped.ts'
import { quickOptions } from '../torture/torture-test.ts'

for (const store of storeNames)
  it(`nobody who follows a log on ${storeTitles[store]} skips, doubles or reorders an event`, async (test) => {
    const options = quickOptions(Date.now() % 2 ** 31, store)
    test.diagnostic(`seed ${options.seed}`)
    const { trials, failures, controls } = await noEventSkipped.run(options)
    assert.deepEqual(failures, [])
    assert.ok(trials >= 1_500)
    for (const { sabotage, seen } of controls) assert.ok(seen > 0, `${sabotage} was not seen`)
  })

it('a forged account is one in which the call matters: its stream goes on in a later one', () => {
  const streamAt = (position: number): string => (position <= 3 ? 'short' : 'long')
  const calls = [[1, 2, 3], [4, 5], [6]].map((positions) => ({ positions }))
  assert.equal(firstThatMatters(calls, streamAt), 1)
  assert.equal(firstThatMatters(calls.slice(0, 2), streamAt), -1)
  // A repeat of the same call says nothing new.
  assert.equal(firstThatMatters([{ positions: [1, 2] }, { positions: [2] }], streamAt), -1)
})
