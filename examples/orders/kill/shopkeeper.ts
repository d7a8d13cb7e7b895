/**
 * A shopkeeper in a process of its own, who drops dead in the worst of moments: money has moved, and nobody has noted it.
 * Started by the tests, which see what the next one makes of it.
 */
import { postgres } from 'daybook/postgres'
import { sqlite } from 'daybook/sqlite'
import { Carrier } from '../carrier.ts'
import { type Charge, PaymentGateway, type Refund } from '../payment-gateway.ts'
import { openShop } from '../shop.ts'

// Not arguments, which everybody on the machine can see: an address may hold a password.
const { SHOP_STORE: address = '', SHOP_GATEWAY: file = '', SHOP_DIES_AT: fatal } = process.env

class FatalGateway extends PaymentGateway {
  override async charge(charge: Charge) {
    const answer = await super.charge(charge)
    if (fatal === 'charge') process.kill(process.pid, 'SIGKILL')
    return answer
  }

  override async refund(refund: Refund) {
    await super.refund(refund)
    if (fatal === 'refund') process.kill(process.pid, 'SIGKILL')
  }
}

const store = address.startsWith('postgres:') ? postgres(address, { migrate: true }) : sqlite(address)
const partners = { gateway: new FatalGateway({ file }), carrier: new Carrier({ unreachable: ['Atlantis'] }) }
await openShop(store, partners)
