import { test } from 'node:test'
import { deadline, finish, refuse } from 'daybook'
import { processScenario, scenario } from 'daybook/testing'
import { fulfilment } from './fulfilment.ts'
import { order, orderEvents } from './order.ts'
import { payment, paymentEvents } from './payment.ts'
import { shipment, shipmentEvents } from './shipment.ts'

const basket = { customer: 'Ada', address: 'Lime Street 1', cents: 30_00 }
const receipt = { reference: 'receipt-7' }
const tooLate = { ...receipt, cents: 30_00, reason: 'paid too late' }
const noWay = { reason: 'no way to Lime Street 1' }

const placed = processScenario(fulfilment).given('order-7', orderEvents.OrderPlaced(basket))
const paid = placed.given('payment-7', paymentEvents.PaymentCaptured(receipt))
const unshipped = paid.given('shipment-7', shipmentEvents.ShipmentFailed(noWay))

test('a placed order is to be paid within 24 hours', () => {
  processScenario(fulfilment)
    .when('order-7', orderEvents.OrderPlaced(basket))
    .then(payment.request('7', { customer: 'Ada', cents: 30_00 }), deadline.set('pay', { hours: 24 }))
})

test('what is paid is shipped, and what is dispatched is complete', () => {
  placed
    .when('payment-7', paymentEvents.PaymentCaptured(receipt))
    .then(deadline.cancel('pay'), shipment.request('7', { address: 'Lime Street 1' }))
  paid.when('shipment-7', shipmentEvents.ParcelDispatched({ parcel: 'parcel-1' })).then(order.complete('7'))
  paid.when('order-7', orderEvents.OrderCompleted({})).then(finish())
})

test('a payment that is declined cancels the order', () => {
  placed
    .when('payment-7', paymentEvents.PaymentDeclined({ reason: 'the bank declined' }))
    .then(order.cancel('7', { reason: 'the bank declined' }))
})

test('at the deadline the payment expires, and the order is cancelled by that', () => {
  placed.whenReached('pay').then(payment.expire('7'))
  placed
    .when('payment-7', paymentEvents.PaymentExpired({}))
    .then(order.cancel('7', { reason: 'not paid within 24 hours' }))
})

test('a deadline that comes just after the money changes nothing', () => {
  const expire = payment.expire('7')
  const captured = scenario(payment)
    .given(paymentEvents.PaymentRequested({ customer: 'Ada', cents: 30_00 }))
    .given(paymentEvents.PaymentCaptured(receipt))
  captured.when(expire).thenRefused('NotRequested', { status: 'captured' })
  paid.when('order-7', orderEvents.OrderCompleted({})).then(finish())
})

test('a parcel that cannot be sent: first the refund, and when it is there the cancellation', () => {
  paid.when('shipment-7', shipmentEvents.ShipmentFailed(noWay)).then(payment.refund('7', noWay))
  const refunding = unshipped.given('payment-7', paymentEvents.RefundRequested({ ...tooLate, ...noWay }))
  refunding.when('payment-7', paymentEvents.PaymentRefunded({})).then(order.cancel('7', noWay))
  refunding.when('order-7', orderEvents.OrderCancelled(noWay)).then(finish())
})

test('what is paid after it expired goes back', () => {
  const requested = scenario(payment).given(paymentEvents.PaymentRequested({ customer: 'Ada', cents: 30_00 }))
  const expired = requested.given(paymentEvents.PaymentExpired({}))
  expired.when(payment.capture('7', receipt)).then(paymentEvents.RefundRequested(tooLate))
  expired.when(payment.decline('7', { reason: 'no' })).thenRefused('NotRequested', { status: 'expired' })
  requested.when(payment.refund('7', noWay)).thenRefused('NotCaptured', { status: 'requested' })
})

test('what the book refuses needs no answer: each refusal means that somebody else was first', () => {
  const requested = payment.request('7', { customer: 'Ada', cents: 30_00 })
  placed.whenRefused(requested, refuse('AlreadyRequested')).thenNothing()
  processScenario(fulfilment).when('payment-8', paymentEvents.PaymentCaptured(receipt)).thenIgnored()
})
