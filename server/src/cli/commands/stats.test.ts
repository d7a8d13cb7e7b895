import assert from 'node:assert/strict'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { daybook, daybookJson, newFolder } from '../test-bed.ts'

const store = ['--store', `sqlite:${join(newFolder(), 'book.db')}`]

before(async () => {
  for (const [stream = '', type = ''] of [
    ['a-1', 'X'],
    ['a-1', 'Y'],
    ['a-2', 'Y'],
    ['b-1', 'Y'],
  ])
    await daybook(['append', stream, type, ...store])
})

describe('stats', () => {
  it('counts events, streams, categories and types', async () => {
    const [stats] = await daybookJson(['stats', ...store])
    const { firstRecordedAt, lastRecordedAt, bytes, store: name, ...counts } = stats ?? {}
    assert.deepEqual(counts, {
      events: 4,
      streams: 3,
      categories: [
        { category: 'a', events: 3, streams: 2 },
        { category: 'b', events: 1, streams: 1 },
      ],
      types: [
        { type: 'Y', events: 3 },
        { type: 'X', events: 1 },
      ],
    })
    assert.ok(String(firstRecordedAt) <= String(lastRecordedAt))
    assert.ok(Number(bytes) > 4_096)
    assert.match(String(name), /^sqlite:/)
  })

  it('prints names and numbers in a pipe, tables on a terminal', async () => {
    const { stdout } = await daybook(['stats', ...store])
    assert.match(
      stdout,
      /^store\tsqlite:\S+\nevents\t4\nstreams\t3\nfirst recorded\t\S+\nlast recorded\t\S+\nsize\t\d+\n/,
    )
    assert.ok(stdout.endsWith('\ncategory\ta\t3\t2\ncategory\tb\t1\t1\ntype\tY\t3\ntype\tX\t1\n'), stdout)
    const table = await daybook(['stats', ...store], { columns: 80, env: { NO_COLOR: '1' } })
    assert.match(table.stdout, /\nCategory {2}Events {2}Streams\na {14}3 {8}2\n/)
  })

  it('counts nothing in an empty book', async () => {
    const [stats] = await daybookJson(['stats', '--store', 'memory:'])
    assert.deepEqual(stats, {
      store: 'memory:',
      events: 0,
      streams: 0,
      categories: [],
      types: [],
      firstRecordedAt: null,
      lastRecordedAt: null,
    })
  })
})
