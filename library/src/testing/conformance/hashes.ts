import assert from 'node:assert/strict'
import type { AppendRequest } from '../../core/append-request.ts'
import { genesisHash, RowHasher } from '../../core/row-hash.ts'
import { nodeHost } from '../../host/node-host.ts'
import type { ConformanceGroup } from './case.ts'
import { type ConformanceContext, event, hexOf, one, range, rawRequest } from './context.ts'

/**
 * Leaf and chain hash of three rows, computed once by a program that shares no code with Daybook, from the format in
 * `docs/reference/row-and-hash-format.md`.
 */
const vectors: readonly (readonly [string, string])[] = [
  [
    '7a1807992b70253a9a711440886f549743f8aea4c53cbed0f2ab6701b5bee8b0',
    '196226d5bc747a3f6248ebed461790631a22e3e24fe2797e4d2a28e8118edaf7',
  ],
  [
    '8dc6697da56d51a69ab4679f72b3703f8096737f2bbc7d644395b300ddf92d57',
    '60017e2e3f4d97ff76692323e818a031f6b58c1f3e422a7da574478fd2f39720',
  ],
  [
    '561629fe6541a3d8c8b36ef2d8fdb93e64160c57be9186f1cbb53744dcc79d63',
    '6d8820fcc2e85e08f45897098fcab0e76088b02a1f61b23d92dec67119f58a65',
  ],
]

function vectorRequests(): readonly AppendRequest[] {
  return [
    rawRequest({
      stream: 'account-42',
      type: 'AccountOpened',
      id: '01890a5d-ac96-774b-bcce-b302099a8057',
      data: '{"owner":"Žofie","cents":-0}',
      metadata: '{"actor":"teller-7","correlationId":"c-1"}',
      tags: ['branch:5', 'vip'],
    }),
    rawRequest({
      stream: 'loan-7',
      type: 'LoanGranted',
      schemaVersion: 3,
      id: '01890a5d-ac96-774b-bcce-b302099a8058',
      metadata: '{"correlationId":"c-1"}',
    }),
    rawRequest({
      stream: 'account-42',
      type: 'Noted',
      id: '01890a5d-ac96-774b-bcce-b302099a8059',
      data: '{"text":"\\u0000 🦉 \\ud800","a": 1.0 }',
      metadata: '{"correlationId":"c-2"}',
      tags: ['🦉'],
    }),
  ]
}

/** Recomputes every hash of the log and compares it with what is stored. */
async function assertChain(book: ConformanceContext): Promise<void> {
  const hasher = new RowHasher(nodeHost().sha256)
  const rows = await book.assertSound()
  const stored = await book.log.readHashes(0, rows.length + 1)
  assert.equal(stored.length, rows.length)
  let chain = genesisHash
  for (const [index, row] of rows.entries()) {
    const { leafHash, chainHash } = hasher.hash(row, chain)
    const held = stored[index] ?? assert.fail()
    assert.equal(hexOf(held.leafHash), hexOf(leafHash), `leaf hash of position ${row.position}`)
    assert.equal(hexOf(held.chainHash), hexOf(chainHash), `chain hash of position ${row.position}`)
    chain = chainHash
  }
  assert.equal(hexOf((await book.log.head()).chainHash), hexOf(chain), 'chain hash of the head')
}

/** Every row is hashed, and every hash holds on to the one before. */
export const hashes: ConformanceGroup = {
  name: 'hashes',
  cases: [
    {
      name: 'the hashes of three rows are those of the format',
      run: async (book) => {
        // 1993-12-31T23:59:59Z
        book.nowMs = 757_382_399_000
        const [first, ...others] = vectorRequests()
        if (first !== undefined) await book.accept(first)
        book.nowMs++
        await book.log.append(others)
        const stored = await book.log.readHashes(0, 10)
        assert.deepEqual(
          stored.map(({ leafHash, chainHash }) => [hexOf(leafHash), hexOf(chainHash)]),
          vectors,
        )
      },
    },
    {
      name: 'recomputing every hash gives the stored ones',
      run: async (book) => {
        await book.add('a-1', ...range(1, 20).map((n) => event('Counted', { n, text: 'ž🦉' }, `t:${n}`)))
        await book.log.append(range(1, 20).map((n) => book.request(one(`b-${n % 3}`))))
        book.nowMs += 5
        await book.log.append([book.request(one('a-1', 7)), book.request(one('a-1', 20))])
        await assertChain(book)
        await book.reopen()
        await book.add('a-1', event('Large', { text: 'é'.repeat(5_000) }), event())
        await assertChain(book)
      },
    },
    {
      name: 'hashes are read after a position, which is not included, up to a limit',
      run: async (book) => {
        await book.add('a-1', ...range(1, 10).map((n) => event('Counted', { n })))
        const all = (await book.log.readHashes(0, 10)).map(({ leafHash }) => hexOf(leafHash))
        assert.equal(new Set(all).size, 10)
        for (const [after, limit] of [
          [0, 3],
          [3, 3],
          [9, 5],
          [10, 5],
        ] as const) {
          const part = await book.log.readHashes(after, limit)
          assert.deepEqual(
            part.map(({ leafHash }) => hexOf(leafHash)),
            all.slice(after, after + limit),
          )
        }
      },
    },
  ],
}
