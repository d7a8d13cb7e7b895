import type {
  AccountRow,
  CardRow,
  ClientRow,
  DispositionRow,
  DistrictRow,
  LoanRow,
  OrderRow,
  PkddData,
  PkddOperation,
  PkddPartner,
  PkddPurpose,
  StatementFrequency,
  TransactionRow,
} from './rows.ts'
import { type Row, readTable } from './table.ts'

/** Reads all files of a directory, whole, into memory. Throws `PkddError` at the first thing that does not fit. */
export async function readPkddFiles(directory: string): Promise<PkddData> {
  // One after the other, so that of several damaged files the same one is reported every time.
  return {
    transactions: await readTransactions(directory),
    accounts: await readAccounts(directory),
    clients: await readClients(directory),
    dispositions: await readDispositions(directory),
    cards: await readCards(directory),
    orders: await readOrders(directory),
    loans: await readLoans(directory),
    districts: await readDistricts(directory),
  }
}

// VYBER as a type is a slip of the source for VYDAJ: all such rows are cash withdrawals and lower the balance.
const directions = new Map([
  ['PRIJEM', 'credit'],
  ['VYDAJ', 'debit'],
  ['VYBER', 'debit'],
] as const)

const operations = new Map<string, PkddOperation>([
  ['VKLAD', 'cashDeposit'],
  ['VYBER', 'cashWithdrawal'],
  ['VYBER KARTOU', 'cardWithdrawal'],
  ['PREVOD Z UCTU', 'collectionFromBank'],
  ['PREVOD NA UCET', 'remittanceToBank'],
])

const purposes = new Map<string, PkddPurpose>([
  ['UROK', 'interest'],
  ['SLUZBY', 'statementFee'],
  ['SIPO', 'household'],
  ['POJISTNE', 'insurance'],
  ['UVER', 'loanPayment'],
  ['DUCHOD', 'pension'],
  ['SANKC. UROK', 'penaltyInterest'],
  ['LEASING', 'leasing'],
])

/** Reads `trans.asc.gz`, in the file's order, which within a day is not the bank's: see `orderMovements`. */
export async function readTransactions(directory: string): Promise<TransactionRow[]> {
  const columns = [
    'trans_id',
    'account_id',
    'date',
    'type',
    'operation',
    'amount',
    'balance',
    'k_symbol',
    'bank',
    'account',
  ] as const
  const seen = new Set<number>()
  return (await readTable(directory, 'trans', columns)).map((row) => {
    const transactionId = row.integer('trans_id')
    if (seen.has(transactionId))
      throw row.bad('trans_id', `${transactionId} is already used by a line above.`)
    seen.add(transactionId)
    const direction = row.word('type', directions)
    const amountCents = row.cents('amount')
    if (amountCents < 0) throw row.bad('amount', 'The amount is negative; the type gives the direction.')
    return {
      transactionId,
      accountId: row.integer('account_id'),
      date: row.date('date'),
      direction,
      operation: row.optionalWord('operation', operations),
      amountCents,
      signedCents: direction === 'credit' ? amountCents : 0 - amountCents,
      statedBalanceCents: row.cents('balance'),
      purpose: row.optionalWord('k_symbol', purposes),
      partner: partner(row.text('bank'), row.text('account')),
      line: row.line,
    }
  })
}

/** Reads `account.asc.gz`. */
export async function readAccounts(directory: string): Promise<AccountRow[]> {
  const frequencies = new Map<string, StatementFrequency>([
    ['POPLATEK MESICNE', 'monthly'],
    ['POPLATEK TYDNE', 'weekly'],
    ['POPLATEK PO OBRATU', 'afterTransaction'],
  ])
  const rows = await readTable(directory, 'account', ['account_id', 'district_id', 'frequency', 'date'])
  return rows.map((row) => ({
    accountId: row.integer('account_id'),
    districtId: row.integer('district_id'),
    frequency: row.word('frequency', frequencies),
    openedOn: row.date('date'),
  }))
}

/** Reads `client.asc.gz`; the birth number becomes date of birth and sex. */
export async function readClients(directory: string): Promise<ClientRow[]> {
  const rows = await readTable(directory, 'client', ['client_id', 'birth_number', 'district_id'])
  return rows.map((row) => ({
    clientId: row.integer('client_id'),
    districtId: row.integer('district_id'),
    ...row.birthNumber('birth_number'),
  }))
}

/** Reads `disp.asc.gz`. */
export async function readDispositions(directory: string): Promise<DispositionRow[]> {
  const roles = new Map([
    ['OWNER', 'owner'],
    ['DISPONENT', 'disponent'],
  ] as const)
  const rows = await readTable(directory, 'disp', ['disp_id', 'client_id', 'account_id', 'type'])
  return rows.map((row) => ({
    dispositionId: row.integer('disp_id'),
    clientId: row.integer('client_id'),
    accountId: row.integer('account_id'),
    role: row.word('type', roles),
  }))
}

/** Reads `card.asc.gz`. */
export async function readCards(directory: string): Promise<CardRow[]> {
  const types = new Map([
    ['junior', 'junior'],
    ['classic', 'classic'],
    ['gold', 'gold'],
  ] as const)
  const rows = await readTable(directory, 'card', ['card_id', 'disp_id', 'type', 'issued'])
  return rows.map((row) => ({
    cardId: row.integer('card_id'),
    dispositionId: row.integer('disp_id'),
    type: row.word('type', types),
    issuedOn: row.date('issued'),
  }))
}

/** Reads `order.asc.gz`. */
export async function readOrders(directory: string): Promise<OrderRow[]> {
  const columns = ['order_id', 'account_id', 'bank_to', 'account_to', 'amount', 'k_symbol'] as const
  return (await readTable(directory, 'order', columns)).map((row) => ({
    orderId: row.integer('order_id'),
    accountId: row.integer('account_id'),
    partner: { bank: row.text('bank_to'), account: row.text('account_to') },
    amountCents: row.cents('amount'),
    purpose: row.optionalWord('k_symbol', purposes),
  }))
}

/** Reads `loan.asc.gz`. */
export async function readLoans(directory: string): Promise<LoanRow[]> {
  const statuses = new Map([
    ['A', 'paid'],
    ['B', 'defaulted'],
    ['C', 'running'],
    ['D', 'inDebt'],
  ] as const)
  const columns = ['loan_id', 'account_id', 'date', 'amount', 'duration', 'payments', 'status'] as const
  return (await readTable(directory, 'loan', columns)).map((row) => ({
    loanId: row.integer('loan_id'),
    accountId: row.integer('account_id'),
    grantedOn: row.date('date'),
    amountCents: row.cents('amount'),
    durationMonths: row.integer('duration'),
    paymentCents: row.cents('payments'),
    status: row.word('status', statuses),
  }))
}

/** Reads `district.asc.gz`, whose columns are named A1 to A16 in the source; the ones of use here are kept. */
export async function readDistricts(directory: string): Promise<DistrictRow[]> {
  const columns = Array.from({ length: 16 }, (_, index): `A${number}` => `A${index + 1}`)
  return (await readTable(directory, 'district', columns)).map((row: Row<`A${number}`>) => ({
    districtId: row.integer('A1'),
    name: row.text('A2'),
    region: row.text('A3'),
    inhabitants: row.measure('A4'),
    averageSalaryCrowns: row.measure('A11'),
    unemployment1995Percent: row.measure('A12'),
    unemployment1996Percent: row.measure('A13'),
  }))
}

/** The source writes "no partner" as an empty cell or, for cash and cards, as an empty bank with account 0. */
function partner(bank: string, account: string): PkddPartner | undefined {
  return bank === '' && (account === '' || account === '0') ? undefined : { bank, account }
}
