import assert from 'node:assert/strict'
import type { AppendRequest } from '../../core/append-request.ts'
import type { ConformanceGroup } from './case.ts'
import { acceptedRows, type ConformanceContext, event, one, range, refusal } from './context.ts'

const first = '01890a5d-ac96-774b-bcce-b302099a8057'
const second = '01890a5d-ac96-774b-bcce-b302099a8058'

function withIds(book: ConformanceContext, ...ids: readonly string[]): AppendRequest {
  return book.request({ stream: 'a-1', events: ids.map((id) => ({ ...event(), id })) })
}

/** An id stands once in the log. */
export const eventIds: ConformanceGroup = {
  name: 'event ids',
  cases: [
    {
      name: 'an id that the log holds is refused',
      run: async (book) => {
        await book.accept(withIds(book, first))
        const error = await book.refuse(withIds(book, second, first), 'DUPLICATE_EVENT_ID')
        assert.equal(error.facts.id, first)
        const [made] = await book.add('a-1', event())
        await book.refuse(withIds(book, made?.id ?? ''), 'DUPLICATE_EVENT_ID')
        await book.reopen()
        await book.refuse(withIds(book, first), 'DUPLICATE_EVENT_ID')
        await book.accept(withIds(book, second))
        assert.equal((await book.assertSound()).length, 3)
      },
    },
    {
      name: 'an id that stands twice in one batch, or in one append, is refused',
      run: async (book) => {
        await book.refuse(withIds(book, first, second, first), 'DUPLICATE_EVENT_ID')
        const outcomes = await book.log.append([
          withIds(book, first),
          withIds(book, first),
          withIds(book, second, first),
          withIds(book, second),
        ])
        acceptedRows(outcomes[0])
        refusal(outcomes[1], 'DUPLICATE_EVENT_ID')
        refusal(outcomes[2], 'DUPLICATE_EVENT_ID')
        acceptedRows(outcomes[3])
        assert.equal((await book.assertSound()).length, 2)
      },
    },
    {
      name: 'an id given equals one made in the same batch: it is refused, and the others are not',
      run: async (book) => {
        const made = book.request(one('a-1'))
        const outcomes = await book.log.append([
          made,
          withIds(book, made.events[0]?.id ?? ''),
          book.request(one('b-1')),
        ])
        acceptedRows(outcomes[0])
        refusal(outcomes[1], 'DUPLICATE_EVENT_ID')
        acceptedRows(outcomes[2])
        assert.equal((await book.assertSound()).length, 2)
      },
    },
    {
      name: 'a refused append does not use up its ids',
      run: async (book) => {
        const behind = book.request({
          stream: 'a-1',
          expectedVersion: 5,
          events: [{ ...event(), id: first }],
        })
        const outcomes = await book.log.append([behind, withIds(book, first)])
        refusal(outcomes[0], 'CONCURRENCY_CONFLICT')
        acceptedRows(outcomes[1])
      },
    },
    {
      name: 'of many appends of one id at once exactly one wins',
      run: async (book) => {
        const other = await book.open()
        const answers = range(1, 16).map((n) => {
          const log = n % 2 === 0 ? book.log : other.log
          const events = [{ ...event(), id: first }]
          return log.append([book.request({ stream: `a-${n}`, events })])
        })
        const won = (await Promise.all(answers)).flat().filter(({ kind }) => kind === 'appended')
        assert.equal(won.length, 1)
        assert.equal((await book.assertSound()).length, 1)
      },
    },
  ],
}
