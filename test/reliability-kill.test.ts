/** The quick tier of T1; `npm run torture -- T1` runs it in full. */
import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { StoreName } from '../torture/stores/address.ts'
import { kill } from '../torture/t01-kill.ts'
import { quickOptions } from '../torture/torture-test.ts'

async function killQuickly(store: StoreName, atLeast: number): Promise<void> {
  const { trials, failures, controls } = await kill.run(quickOptions(Date.now() % 2 ** 31, store))
  assert.deepEqual(failures, [])
  assert.ok(trials >= atLeast)
  assert.ok(
    controls.every(({ seen }) => seen > 0),
    JSON.stringify(controls),
  )
}

it('no acknowledged event is lost to 12 kills, and a writer that acknowledges too early is found out', () =>
  killQuickly('sqlite', 12))

it('nor on PostgreSQL to 8 kills, its server among the victims, and an append without a flush is found out', () =>
  killQuickly('postgres', 8))
