/** The quick tier of T7; `npm run torture -- T7` runs it in full. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { storeNames, storeTitles } from '../torture/stores/address.ts'
import { noEventSkipped } from '../torture/t07-no-event-skipped.ts'
import { quickOptions } from '../torture/torture-test.ts'

for (const store of storeNames)
  it(`nobody who follows a log on ${storeTitles[store]} skips, doubles or reorders an event`, async () => {
    const { trials, failures, controls } = await noEventSkipped.run(quickOptions(Date.now() % 2 ** 31, store))
    assert.deepEqual(failures, [])
    assert.ok(trials >= 1_500)
    for (const { sabotage, seen } of controls) assert.ok(seen > 0, `${sabotage} was not seen`)
  })
