/** The quick tier of T10; `npm run torture -- T10` runs it in full. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { storeNames, storeTitles } from '../torture/stores/address.ts'
import { rebuild } from '../torture/t10-rebuild.ts'
import { quickOptions } from '../torture/torture-test.ts'

for (const store of storeNames)
  it(`a rebuild on ${storeTitles[store]}, killed on its way, equals what was live and the reference, and repeats no effect`, async () => {
    const { trials, failures, controls } = await rebuild.run(quickOptions(Date.now() % 2 ** 31, store))
    assert.deepEqual(failures, [])
    assert.equal(trials, 1)
    for (const { sabotage, seen } of controls) assert.ok(seen > 0, `${sabotage} was not seen`)
  })
