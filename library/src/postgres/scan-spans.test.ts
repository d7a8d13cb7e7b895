import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { QueryItem } from '../core/query.ts'
import { ScanSpans } from './scan-spans.ts'

const rare: readonly QueryItem[] = [{ types: ['Rare'] }]

describe('how many events a statement looks through', () => {
  it('is a page where everything is wanted, and everything where an index leads to what is', () => {
    const spans = new ScanSpans(1_000)
    assert.equal(spans.of(undefined, 70), 70)
    assert.equal(spans.of([{ types: ['A'], tags: ['t'] }], 70), Number.MAX_SAFE_INTEGER)
    assert.equal(spans.of([{ tags: ['t'] }, { types: ['A'] }], 70), 2_000)
  })

  it('widens while a filter finds little, up to a bound, and narrows when it finds more', () => {
    const spans = new ScanSpans(1_000)
    const seen: number[] = []
    for (let page = 0; page < 6; page++) {
      const span = spans.of(rare, 1_000)
      seen.push(span)
      spans.note(rare, span, 0)
    }
    assert.deepEqual(seen, [2_000, 8_000, 32_000, 128_000, 250_000, 250_000])
    spans.note(rare, 10_000, 1_000)
    assert.equal(spans.of(rare, 1_000), 20_000)
    spans.note(rare, 1_000, 1_000)
    assert.equal(spans.of(rare, 1_000), 2_000)
  })

  it('is known for each filter by itself, and widens no further than what was looked at tells', () => {
    const spans = new ScanSpans(1_000)
    spans.note(rare, 1, 0)
    assert.equal(spans.of(rare, 1_000), 2_000)
    spans.note(rare, 3, 0)
    assert.equal(spans.of(rare, 1_000), 6_000)
    assert.equal(spans.of([{ types: ['Rare'] }], 1_000), 2_000)
  })
})
