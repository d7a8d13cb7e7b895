/** What the server itself could refuse or change, and must treat as every other store does. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { debianBinaries, type ServerOptions } from '@daybook/postgres-server'
import { testServer } from '@daybook/postgres-server/testing'
import { z } from 'zod'
import { maxColumnBytes, maxDepth } from '../core/limits.ts'
import { type Book, defineEvents, openBook, projection } from '../index.ts'
import { memory } from '../memory/index.ts'
import { postgres } from './index.ts'

const events = defineEvents({ Named: z.object({ name: z.string() }), Nested: z.looseObject({}) })

const names = projection('names', {
  from: events,
  key: ({ streamId }) => streamId,
  initial: { name: '' },
  columns: { name: 'text' },
  evolve: { Named: (_document, { name }) => ({ name }) },
})

const nests = projection('nests', {
  from: events,
  mode: 'inline',
  key: ({ streamId }) => streamId,
  initial: {},
  evolve: { Nested: (_document, data) => data },
})

const debian = debianBinaries(15)
const versions: readonly (readonly [string, ServerOptions | undefined, string | false])[] = [
  ['18', undefined, false],
  [
    '15',
    debian && { binaries: debian },
    debian === undefined ? 'Debian’s postgresql-15 is not installed' : false,
  ],
]

/** Objects and arrays, one within the other. */
function nested(depth: number): object {
  let value: object = { in: [] }
  for (let level = 2; level < depth; level++) value = level % 2 === 0 ? { in: value } : { in: [value], level }
  return value
}

describe('nesting', () => {
  for (const [version, options, skip] of versions) {
    // PostgreSQL up to 16 reads JSON by a function that calls itself, as deep as max_stack_depth lets it.
    it(`to the limit needs the least stack a server may have: ${version}`, { skip }, async () => {
      const server = await testServer(options)
      try {
        const database = await server.createDatabase()
        await server.run(`ALTER DATABASE ${database} SET max_stack_depth = '100kB'`)
        const store = postgres(server.url(database), { migrate: true })
        await using book = await openBook({ store, projections: [nests] })
        const arrays = { in: JSON.parse('['.repeat(maxDepth - 1) + ']'.repeat(maxDepth - 1)) }
        let objects: object = {}
        for (let depth = 2; depth <= maxDepth; depth++) objects = { in: objects }
        for (const data of [arrays, objects, nested(20)]) {
          const { position } = await book.append('a-1', events.Nested({ ...data }), {
            metadata: data as never,
          })
          const [found] = await book.readLog({ afterPosition: position - 1 }).toArray()
          assert.deepEqual([found?.data, found?.metadata.in], [data, (data as { in: unknown }).in])
          assert.deepEqual(await book.read(nests).get('1'), data)
        }
        const tooDeep = book.append('a-1', events.Nested({ in: objects }))
        await assert.rejects(tooDeep, { code: 'ILLEGAL_DATA' })
      } finally {
        await server.dispose()
      }
    })
  }
})

describe('text columns', () => {
  it('hold NUL and lone surrogates as every store does, and documents keep them', async () => {
    const server = await testServer()
    try {
      const url = server.url(await server.createDatabase())
      const texts = ['a\u0000b', '\u0000', '\ud800', 'x\udc00\ud800', '\ufffd', 'plain', '']
      const found = async (book: Book): Promise<unknown> => {
        for (const [index, name] of texts.entries()) await book.append(`n-${index}`, events.Named({ name }))
        const notBefore = await book.head()
        const equal: unknown[] = []
        for (const name of texts) equal.push(await book.read(names).find({ where: { name }, notBefore }))
        const inOrder = await book.read(names).find({ orderBy: { name: 'asc' } })
        return { equal, inOrder }
      }
      await using plain = await openBook({ store: memory(), projections: [names] })
      await using stored = await openBook({ store: postgres(url, { migrate: true }), projections: [names] })
      const answers = await found(stored)
      assert.deepEqual(answers, await found(plain))
      assert.deepEqual(await stored.read(names).get('0'), { name: 'a\u0000b' })
      assert.deepEqual(await stored.read(names).get('3'), { name: 'x\udc00\ud800' })
    } finally {
      await server.dispose()
    }
  })

  it('hold so much that an index of the server holds it with the longest key, and no more on any store', async () => {
    const server = await testServer()
    try {
      const url = server.url(await server.createDatabase())
      const inline = projection('inline-names', {
        from: events,
        mode: 'inline',
        key: ({ streamId }) => streamId,
        initial: { name: '' },
        columns: { name: 'text' },
        evolve: { Named: (_document, { name }) => ({ name }) },
      })
      for (const store of [memory(), postgres(url, { migrate: true })]) {
        await using book = await openBook({ store, projections: [inline] })
        // Digits of a hash do not compress, so the index has to hold them all.
        const name = randomBytes(maxColumnBytes / 2).toString('hex')
        const stream = `n-${randomBytes(127).toString('hex').slice(0, 253)}`
        await book.append(stream, events.Named({ name }))
        assert.deepEqual((await book.read(inline).find({ where: { name } })).length, 1)
        const longer = book.append(stream, events.Named({ name: `${name}!` }))
        await assert.rejects(longer, { code: 'PROJECTION_FAILED' })
        assert.equal(await book.head(), 1)
      }
    } finally {
      await server.dispose()
    }
  })
})

describe('pages of the log', () => {
  it('are read row by row where a name has what keeps the rows of a page apart', async () => {
    const server = await testServer()
    try {
      const database = await server.createDatabase()
      const store = postgres(server.url(database), { migrate: true })
      // Folded by projections only, pages are packed.
      const streams = projection('streams', {
        from: events,
        key: ({ position }) => String(position),
        initial: { stream: '' },
        evolve: { Named: (_document, _data, { stream }) => ({ stream }) },
      })
      const strange = 'a-\u001e2'
      {
        await using book = await openBook({ store })
        await book.append('a-1', events.Named({ name: 'one' }))
      }
      // Daybook refuses such a name; an owner's own hands do not.
      await server.run(
        `INSERT INTO daybook.event SELECT 2, '${strange}', version, type, schema_version, gen_random_uuid(), data, metadata,
          tags, recorded_at_ms, leaf_hash, chain_hash FROM daybook.event`,
        database,
      )
      await using book = await openBook({ store, projections: [streams] })
      assert.deepEqual(await book.read(streams).get('2', { notBefore: 2 }), { stream: strange })
      assert.deepEqual(await book.read(streams).get('1'), { stream: 'a-1' })
    } finally {
      await server.dispose()
    }
  })
})
