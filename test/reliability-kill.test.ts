/** The quick tier of T1; `npm run torture -- T1` runs it in full. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import { kill } from '../torture/t01-kill.ts'
import { quickOptions } from '../torture/torture-test.ts'

it('no acknowledged event is lost to 50 kills, and a writer that acknowledges too early is found out', async () => {
  const { trials, failures, controls } = await kill.run(quickOptions(Date.now() % 2 ** 31))
  assert.deepEqual(failures, [])
  assert.ok(trials >= 50)
  assert.ok(
    controls.every(({ seen }) => seen > 0),
    JSON.stringify(controls),
  )
})
