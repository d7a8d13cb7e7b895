import type { HistoryAccount, HistoryPerson, HistoryStep, StepKind, StepPurpose } from './history.ts'
import { Random } from './random.ts'

/** Something a customer means to do on a day of a month; the bank decides whether the balance allows it. */
export interface Wish {
  /** Day of the month, 1 to 28. */
  readonly day: number
  readonly kind: StepKind | 'transferWithin' | 'closing'
  readonly amountCents: number
  readonly purpose?: StepPurpose
  readonly counterparty?: NonNullable<HistoryStep['counterparty']>
  /** For `transferWithin`: index of the receiving customer. */
  readonly receiver?: number
}

/** An invented customer with one account and a way of living. */
export interface Customer {
  readonly index: number
  readonly account: HistoryAccount
  readonly random: Random
  /** When the account is opened; month 0 is the first of the history. */
  readonly opensInMonth: number
  readonly opensOnDay: number
  readonly closesInMonth: number | undefined
  readonly monthlyIncomeCents: number
  /** What comes in and goes out every month. */
  readonly regular: readonly Wish[]
  readonly hasCard: boolean
  readonly mayOverdraw: boolean
}

const femaleNames = ['Alena', 'Běla', 'Dorota', 'Hana', 'Ivana', 'Klára', 'Lenka', 'Zora', 'Žofie']
const maleNames = ['Adam', 'Bořek', 'Daniel', 'Hynek', 'Jiří', 'Karel', 'Luboš', 'Oldřich', 'Štěpán']
const familyNames = ['Brod', 'Hora', 'Jabloň', 'Kámen', 'Lesák', 'Mlýn', 'Potok', 'Rybník', 'Vítr', 'Zeman']
const places = [
  { name: 'Horní Lhotka', region: 'Uplands' },
  { name: 'Dolní Brody', region: 'Lowlands' },
  { name: 'Nové Mlýny', region: 'Lowlands' },
  { name: 'Stará Skála', region: 'Uplands' },
] as const

/** Invents customer `index`. It depends on the seed, the index and the other numbers here, on no other customer. */
export function inventCustomer(
  seed: number,
  index: number,
  months: number,
  overdraftShare: number,
  dateOf: (month: number, day: number) => string,
): Customer {
  const random = new Random(seed, index + 1)
  const opensInMonth = random.integer(0, Math.floor((months - 1) / 3))
  const opensOnDay = random.integer(1, 28)
  const monthlyIncomeCents = random.integer(60, 400) * 100_00
  const closesAfter = random.integer(6, 36)
  const isCloser = random.chance(0.1) && opensInMonth + closesAfter < months
  const frequency = random.pick([
    'monthly',
    'monthly',
    'monthly',
    'monthly',
    'weekly',
    'afterTransaction',
  ] as const)
  const firstYear = Number(dateOf(0, 1).slice(0, 4))
  const owner = inventPerson(random, `${2 * index + 1}`, firstYear)
  const isPensioner = Number(owner.bornOn.slice(0, 4)) <= firstYear - 60
  const hasDisponent = random.chance(0.2)
  return {
    index,
    account: {
      accountId: String(index + 1),
      openedOn: dateOf(opensInMonth, opensOnDay),
      frequency,
      owner,
      ...(hasDisponent && { disponent: inventPerson(random, `${2 * index + 2}`, firstYear) }),
    },
    random,
    opensInMonth,
    opensOnDay,
    closesInMonth: isCloser ? opensInMonth + closesAfter : undefined,
    monthlyIncomeCents,
    regular: inventRegularWishes(random, monthlyIncomeCents, isPensioner),
    hasCard: random.chance(0.4),
    mayOverdraw: random.chance(overdraftShare),
  }
}

/** What the customer wants of the given month, by day, the opening deposit and the closing included. */
export function wishesOf(customer: Customer, month: number, customers: number): Wish[] {
  const { random, monthlyIncomeCents: income, opensInMonth, opensOnDay, closesInMonth } = customer
  const isOpeningMonth = month === opensInMonth
  if (month < opensInMonth || (closesInMonth !== undefined && month > closesInMonth)) return []
  const wishes: Wish[] = [...customer.regular]
  const spend = (kind: StepKind, times: number, mostCents: number): void => {
    for (let time = 0; time < times; time++) {
      const hundreds = random.integer(1, Math.floor(mostCents / 100_00))
      wishes.push({ day: random.integer(1, 28), kind, amountCents: hundreds * 100_00 })
    }
  }
  spend('cashWithdrawal', random.integer(1, 4), income / 6)
  if (customer.hasCard) spend('cardWithdrawal', random.integer(0, 4), income / 12)
  if (random.chance(0.2)) spend('cashDeposit', 1, income / 2)
  const receiver = random.integer(0, customers - 1)
  if (random.chance(0.25) && receiver !== customer.index) {
    const amountCents = random.integer(100_00, Math.floor(income / 8))
    wishes.push({ day: random.integer(1, 28), kind: 'transferWithin', amountCents, receiver })
  }
  const opening: Wish = { day: opensOnDay, kind: 'cashDeposit', amountCents: random.integer(2, 20) * 100_00 }
  const closing: Wish = { day: random.integer(10, 28), kind: 'closing', amountCents: 0 }
  const wanted = wishes.filter((wish) => !isOpeningMonth || wish.day > opensOnDay)
  if (isOpeningMonth) wanted.push(opening)
  const isClosingMonth = month === closesInMonth
  const inTime = isClosingMonth ? [...wanted.filter((wish) => wish.day <= closing.day), closing] : wanted
  return inTime.sort((one, other) => one.day - other.day)
}

function inventPerson(random: Random, personId: string, firstYear: number): HistoryPerson {
  const sex = random.pick(['female', 'male'] as const)
  const name = `${random.pick(sex === 'female' ? femaleNames : maleNames)} ${random.pick(familyNames)}`
  const year = firstYear - random.integer(20, 75)
  const twoDigits = (value: number): string => String(value).padStart(2, '0')
  const bornOn = `${year}-${twoDigits(random.integer(1, 12))}-${twoDigits(random.integer(1, 28))}`
  return { personId, name, bornOn, sex, district: random.pick(places) }
}

/** Income on one day, then rent or household, and for some insurance, leasing or a loan. */
function inventRegularWishes(random: Random, incomeCents: number, isPensioner: boolean): Wish[] {
  const elsewhere = (): NonNullable<HistoryStep['counterparty']> => ({
    bank: random.pick(['KV', 'NM', 'OR', 'ZP']),
    account: String(random.integer(10_000_000, 99_999_999)),
  })
  const order = (kind: 'transferOut' | 'loanPayment', part: number, purpose?: StepPurpose): Wish => ({
    day: random.integer(8, 20),
    kind,
    amountCents: Math.floor(incomeCents * part) + random.integer(0, 99),
    counterparty: elsewhere(),
    ...(purpose && { purpose }),
  })
  const day = random.integer(5, 15)
  const wishes: Wish[] = []
  if (!isPensioner && random.chance(0.2)) wishes.push({ day, kind: 'cashDeposit', amountCents: incomeCents })
  else {
    const purpose = isPensioner ? 'pension' : 'salary'
    wishes.push({ day, kind: 'transferIn', amountCents: incomeCents, purpose, counterparty: elsewhere() })
  }
  wishes.push(random.chance(0.5) ? order('transferOut', 0.3, 'rent') : order('transferOut', 0.2, 'household'))
  if (random.chance(0.4)) wishes.push(order('transferOut', 0.03, 'insurance'))
  if (random.chance(0.1)) wishes.push(order('transferOut', 0.08, 'leasing'))
  if (random.chance(0.15)) wishes.push(order('loanPayment', 0.15))
  return wishes
}
