import { test } from 'node:test'
import { scenario } from 'daybook/testing'
import { investment, investmentEvents } from './investment.ts'

const terms = { investor: 'Ada', fund: 'Harbour', cents: 500_00 }
const why = { reason: 'changed her mind' }

const fresh = scenario(investment)
const draft = fresh.given(investmentEvents.InvestmentDrafted(terms))
const submitted = draft.given(investmentEvents.InvestmentSubmitted(terms))
const settled = submitted.given(investmentEvents.InvestmentSettled({ payment: 'payment-1' }))
const failed = submitted.given(investmentEvents.InvestmentFailed({ reason: 'the bank declined' }))
const cancelled = draft.given(investmentEvents.InvestmentCancelled(why))

test('an investment is drafted once', () => {
  fresh.when(investment.draft('1', terms)).then(investmentEvents.InvestmentDrafted(terms))
  draft.when(investment.draft('1', terms)).thenRefused('AlreadyDrafted', { status: 'draft' })
})

test('a draft is submitted or cancelled, and nothing else is', () => {
  draft.when(investment.submit('1')).then(investmentEvents.InvestmentSubmitted(terms))
  draft.when(investment.cancel('1', why)).then(investmentEvents.InvestmentCancelled(why))
  for (const before of [fresh, submitted, settled, failed, cancelled]) {
    before.when(investment.submit('1')).thenRefused('NotADraft')
    before.when(investment.cancel('1', why)).thenRefused('NotADraft')
  }
})

test('only what was submitted is settled or fails', () => {
  submitted
    .when(investment.settle('1', { payment: 'payment-1' }))
    .then(investmentEvents.InvestmentSettled({ payment: 'payment-1' }))
  submitted
    .when(investment.fail('1', { reason: 'the bank declined' }))
    .then(investmentEvents.InvestmentFailed({ reason: 'the bank declined' }))
  for (const before of [fresh, draft, settled, failed, cancelled]) {
    before.when(investment.settle('1', { payment: 'payment-2' })).thenRefused('NotSubmitted')
    before.when(investment.fail('1', { reason: 'too late' })).thenRefused('NotSubmitted')
  }
})
