/** The quick tier of T8; `npm run torture -- T8` runs it in full. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { storeNames, storeTitles } from '../torture/stores/address.ts'
import { stall } from '../torture/t08-stall.ts'
import { quickOptions } from '../torture/torture-test.ts'

for (const store of storeNames)
  it(`what holds up a book on ${storeTitles[store]} is named in time, and nothing is skipped`, async () => {
    const { trials, failures, controls } = await stall.run(quickOptions(Date.now() % 2 ** 31, store))
    assert.deepEqual(failures, [])
    assert.equal(trials, 3)
    for (const { sabotage, seen } of controls) assert.ok(seen > 0, `${sabotage} was not seen`)
  })
