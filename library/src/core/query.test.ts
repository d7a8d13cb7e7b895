import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matchesQuery, type Query, queryItems } from './query.ts'

const paid = { stream: 'order-1', type: 'Paid', tags: ['customer:7', 'country:cz'] }

test('types and categories are any of, tags are all of, items are any of', () => {
  const matching: Query[] = [
    { types: ['Paid'] },
    { types: ['Shipped', 'Paid'] },
    { categories: ['account', 'order'] },
    { tags: ['customer:7'] },
    { tags: ['country:cz', 'customer:7'] },
    { types: ['Paid'], categories: ['order'], tags: ['customer:7'] },
    [{ types: ['Shipped'] }, { tags: ['customer:7'] }],
  ]
  const others: Query[] = [
    { types: ['paid'] },
    { categories: ['ord'] },
    { tags: ['customer:7', 'customer:8'] },
    { types: ['Paid'], categories: ['account'] },
    [{ types: ['Shipped'] }, { tags: ['customer'] }],
  ]
  for (const query of matching)
    assert.equal(matchesQuery(queryItems(query), paid), true, JSON.stringify(query))
  for (const query of others)
    assert.equal(matchesQuery(queryItems(query), paid), false, JSON.stringify(query))
})

test('no items match nothing, so that an empty list is never taken for everything', () => {
  assert.equal(matchesQuery([], paid), false)
})

test('a checked query holds each name once', () => {
  assert.deepEqual(queryItems({ types: ['A', 'A'], tags: ['x', 'y', 'x'] }), [
    { types: ['A'], tags: ['x', 'y'] },
  ])
})

test('what does not restrict, or restricts by an unknown field, is refused', () => {
  const illegal = [
    '[]',
    '{}',
    '[{}]',
    '{"types":[]}',
    '{"tag":["a"]}',
    '{"types":"A"}',
    'null',
    '[null]',
    '["A"]',
    '1',
  ]
  for (const query of illegal) {
    assert.throws(() => queryItems(JSON.parse(query)), { code: 'ILLEGAL_QUERY' }, query)
  }
  for (const query of ['{"types":[""]}', '{"categories":["a-b"]}', '{"tags":[1]}']) {
    assert.throws(() => queryItems(JSON.parse(query)), { code: 'ILLEGAL_NAME' }, query)
  }
})
