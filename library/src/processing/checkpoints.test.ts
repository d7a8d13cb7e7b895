/** Checkpoints of subscriptions that do not fit the log, or what is defined now. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { defineEvents, openBook, type Store, subscription } from '../index.ts'
import { memory } from '../memory/index.ts'
import { type TestHost, testHost } from '../testing/test-host.ts'

const events = defineEvents({ Paid: z.object({ n: z.int() }) })
const name = 'subscription search@1'
const searching = subscription('search', { from: events, run: () => undefined })

/** A store with four events, whose subscription has a checkpoint before the first. */
async function prepared(host: TestHost): Promise<Store> {
  const store = memory()
  await using book = await openBook({ store, host, follow: false, subscriptions: [searching] })
  for (const n of [1, 2, 3, 4]) await book.append(`order-${n}`, events.Paid({ n }))
  return store
}

test('a checkpoint of another epoch, or beyond the head, is refused with what to do', async () => {
  const host = testHost()
  const store = await prepared(host)
  const { readModels } = await store.open(host)
  const checkpoint = await readModels.checkpoint(name)
  assert.ok(checkpoint)
  const open = () => openBook({ store, host, subscriptions: [searching] })
  const refusal = { code: 'CHECKPOINT_BEYOND_HEAD', hint: /restored or replaced/ }
  await readModels.moveCheckpoint(name, 0, { ...checkpoint, position: 5 })
  await assert.rejects(open(), refusal)
  await readModels.moveCheckpoint(name, 5, { ...checkpoint, position: 1, epoch: 7 })
  await assert.rejects(open(), refusal)
})

test('a checkpoint that another process moves while the book is opened is not beyond the head', async () => {
  const host = testHost()
  const store = await prepared(host)
  await using other = await openBook({ store, host })
  const overtaken: Store = {
    name: store.name,
    open: async (given) => {
      const opened = await store.open(given)
      const { log, readModels } = opened
      const head = async () => {
        const before = await log.head()
        await other.append('order-9', events.Paid({ n: 9 }))
        const checkpoint = await readModels.checkpoint(name)
        if (checkpoint !== undefined)
          await readModels.moveCheckpoint(name, checkpoint.position, {
            ...checkpoint,
            position: before.position + 1,
          })
        return before
      }
      return { ...opened, log: Object.assign(Object.create(log) as typeof log, { head }) }
    },
  }
  await using book = await openBook({ store: overtaken, host, follow: false, subscriptions: [searching] })
  assert.equal(book.name, store.name)
})

test('another number of shards needs another version', async () => {
  const store = memory()
  const sharded = (shards: number, version = 1) =>
    subscription('search', { from: events, shards, version, startAt: 'previous', run: () => undefined })
  const open = async (shards: number, version?: number): Promise<void> => {
    await using book = await openBook({ store, follow: false, subscriptions: [sharded(shards, version)] })
    assert.equal((await book.status())[0]?.shards.length, shards)
  }
  await open(4)
  for (const shards of [1, 3, 8]) await assert.rejects(open(shards), { code: 'DEFINITION_INVALID' })
  await open(4)
  await open(8, 2)
  await open(1, 3)
  await assert.rejects(open(2, 3), { code: 'DEFINITION_INVALID' })
})
