import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { z } from 'zod'
import { defineEvents, openBook, projection, type RecordedEvent } from '../index.ts'
import { sqlite } from './index.ts'

const folder = await mkdtemp(join(tmpdir(), 'daybook-brief-'))
after(() => rm(folder, { recursive: true }))

const events = defineEvents({ Happened: z.object({ n: z.int() }) })

interface Seen {
  readonly events: number
  readonly looks: readonly string[]
}

const unseen: Seen = { events: 0, looks: [] }

/** What one look at every event yields, each once. */
function looking(name: string, look: (event: RecordedEvent) => string) {
  return projection(name, {
    version: 1,
    from: events,
    key: ({ streamId }) => streamId,
    initial: unseen,
    evolve: {
      Happened: ({ events, looks }, _data, event) => {
        const seen = look(event)
        return { events: events + 1, looks: looks.includes(seen) ? looks : [...looks, seen] }
      },
    },
  })
}

/** Catches what is thrown, as code may. */
function carefully(look: () => string): string {
  try {
    return look()
  } catch {
    return 'nothing'
  }
}

const looks = [
  looking('actors', ({ metadata }) => String(metadata.actor)),
  looking('tags', ({ tags }) => tags.join()),
  looking('ids', ({ id }) => String(id.length)),
  looking('careful', ({ metadata }) => carefully(() => String(metadata.actor))),
  looking('json', (event) => String(JSON.stringify(event).includes('"tags":["red"]'))),
]

describe('a fold that looks at what brief rows do not have', () => {
  it('sees whole events', async () => {
    const store = sqlite(join(folder, 'whole.db'))
    await using book = await openBook({ store, projections: looks })
    const happened = Array.from({ length: 2_500 }, (_, n) => ({ ...events.Happened({ n }), tags: ['red'] }))
    for (let from = 0; from < happened.length; from += 1_000)
      await book.append('thing-1', happened.slice(from, from + 1_000), { actor: 'ann' })
    const position = await book.head()
    const found = looks.map(async (look) => {
      const document = await book.read(look).get('1', { notBefore: position, timeoutMs: 60_000 })
      assert.equal(document?.events, 2_500)
      return document?.looks
    })
    assert.deepEqual(await Promise.all(found), [['ann'], ['red'], ['36'], ['ann'], ['true']])
  })
})
