import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { PkddError, type PkddErrorCode } from './errors.ts'
import {
  readAccounts,
  readCards,
  readClients,
  readDispositions,
  readDistricts,
  readLoans,
  readOrders,
  readPkddFiles,
  readTransactions,
} from './files.ts'

const transHeader =
  '"trans_id";"account_id";"date";"type";"operation";"amount";"balance";"k_symbol";"bank";"account"'

let root = ''
let directories = 0

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'daybook-pkdd-'))
})
after(() => rm(root, { recursive: true, force: true }))

/** A new directory with one file, its lines joined by CRLF as in the source. */
async function directoryWith(name: string, ...lines: string[]): Promise<string> {
  return directoryWithBytes(
    name,
    gzipSync(Buffer.from(lines.map((line) => `${line}\r\n`).join(''), 'latin1')),
  )
}

async function directoryWithBytes(name: string, bytes: Buffer): Promise<string> {
  const directory = join(root, String(++directories))
  await mkdir(directory)
  await writeFile(join(directory, `${name}.asc.gz`), bytes)
  return directory
}

function failsWith(code: PkddErrorCode, message: RegExp, line?: number): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof PkddError)
    assert.equal(error.code, code)
    assert.match(error.message, message)
    assert.equal(error.line, line)
    assert.ok(error.hint.length > 0)
    return true
  }
}

test('a transaction is read with its money in cents, its words in English and its date in full', async () => {
  const directory = await directoryWith(
    'trans',
    transHeader,
    '7;1;930131;"VYDAJ";"PREVOD NA UCET";2452.05;-17.90;"SIPO";"YZ";"87144583"',
  )
  assert.deepEqual(await readTransactions(directory), [
    {
      transactionId: 7,
      accountId: 1,
      date: '1993-01-31',
      direction: 'debit',
      operation: 'remittanceToBank',
      amountCents: 245205,
      signedCents: -245205,
      statedBalanceCents: -1790,
      purpose: 'household',
      partner: { bank: 'YZ', account: '87144583' },
      line: 2,
    },
  ])
})

test('every type, operation and k_symbol has its meaning, a blank one has none', async () => {
  const rows = [
    '1;1;930101;"PRIJEM";"VKLAD";1.00;1.00;"";;',
    '2;1;930101;"PRIJEM";"PREVOD Z UCTU";1.00;1.00;"DUCHOD";"AB";"1"',
    '3;1;930101;"PRIJEM";"";1.00;1.00;"UROK";;',
    '4;1;930101;"VYBER";"VYBER";1.00;1.00;" ";"";"0"',
    '5;1;930101;"VYDAJ";"VYBER KARTOU";1.00;1.00;"";"";"0"',
    '6;1;930101;"VYDAJ";"VYBER";1.00;1.00;"SLUZBY";;',
    '7;1;930101;"VYDAJ";"VYBER";1.00;1.00;"SANKC. UROK";;',
    '8;1;930101;"VYDAJ";"PREVOD NA UCET";1.00;1.00;"UVER";"AB";"1"',
    '9;1;930101;"VYDAJ";"PREVOD NA UCET";1.00;1.00;"POJISTNE";"AB";"1"',
  ]
  const read = await readTransactions(await directoryWith('trans', transHeader, ...rows))
  assert.deepEqual(
    read.map((row) => [row.direction, row.operation, row.purpose, row.partner?.bank]),
    [
      ['credit', 'cashDeposit', undefined, undefined],
      ['credit', 'collectionFromBank', 'pension', 'AB'],
      ['credit', undefined, 'interest', undefined],
      ['debit', 'cashWithdrawal', undefined, undefined],
      ['debit', 'cardWithdrawal', undefined, undefined],
      ['debit', 'cashWithdrawal', 'statementFee', undefined],
      ['debit', 'cashWithdrawal', 'penaltyInterest', undefined],
      ['debit', 'remittanceToBank', 'loanPayment', 'AB'],
      ['debit', 'remittanceToBank', 'insurance', 'AB'],
    ],
  )
})

test('amounts that floats would miss are exact', async () => {
  const amounts = ['1.1', '0.29', '4.35', '1145.37', '999999999999.99', '5', '-0.01', '-0.00']
  const rows = amounts.map((amount, index) => `${index};1;930101;"PRIJEM";"VKLAD";1.00;${amount};"";;`)
  const read = await readTransactions(await directoryWith('trans', transHeader, ...rows))
  const expected = [110, 29, 435, 114537, 99999999999999, 500, -1, 0]
  assert.deepEqual(
    read.map((row) => row.statedBalanceCents),
    expected,
  )
})

test('the small files are read', async () => {
  const accounts = await directoryWith(
    'account',
    '"account_id";"district_id";"frequency";"date"',
    '576;55;"POPLATEK PO OBRATU";930101',
  )
  assert.deepEqual(await readAccounts(accounts), [
    { accountId: 576, districtId: 55, frequency: 'afterTransaction', openedOn: '1993-01-01' },
  ])
  const clients = await directoryWith(
    'client',
    '"client_id";"birth_number";"district_id"',
    '1;"706213";18',
    '2;"450204";1',
  )
  assert.deepEqual(await readClients(clients), [
    { clientId: 1, districtId: 18, bornOn: '1970-12-13', sex: 'female' },
    { clientId: 2, districtId: 1, bornOn: '1945-02-04', sex: 'male' },
  ])
  const dispositions = await directoryWith(
    'disp',
    '"disp_id";"client_id";"account_id";"type"',
    '3;4;5;"DISPONENT"',
  )
  assert.deepEqual(await readDispositions(dispositions), [
    { dispositionId: 3, clientId: 4, accountId: 5, role: 'disponent' },
  ])
  const cards = await directoryWith(
    'card',
    '"card_id";"disp_id";"type";"issued"',
    '1005;9285;"gold";931107 00:00:00',
  )
  assert.deepEqual(await readCards(cards), [
    { cardId: 1005, dispositionId: 9285, type: 'gold', issuedOn: '1993-11-07' },
  ])
  const orderHeader = '"order_id";"account_id";"bank_to";"account_to";"amount";"k_symbol"'
  assert.deepEqual(
    await readOrders(await directoryWith('order', orderHeader, '9;1;"YZ";"871";2452.50;" "')),
    [
      {
        orderId: 9,
        accountId: 1,
        partner: { bank: 'YZ', account: '871' },
        amountCents: 245250,
        purpose: undefined,
      },
    ],
  )
  const loanHeader = '"loan_id";"account_id";"date";"amount";"duration";"payments";"status"'
  assert.deepEqual(
    await readLoans(await directoryWith('loan', loanHeader, '5;17;930705;96396;12;8033.00;"B"')),
    [
      {
        loanId: 5,
        accountId: 17,
        grantedOn: '1993-07-05',
        amountCents: 9639600,
        durationMonths: 12,
        paymentCents: 803300,
        status: 'defaulted',
      },
    ],
  )
})

test('text is CP1250, an unknown figure of a district is null', async () => {
  const header = Array.from({ length: 16 }, (_, index) => `A${index + 1}`).join(';')
  const row = '69;"Jesen\xedk \x9a";"north Moravia";42821;4;13;5;1;3;48.4;8173;?;7.01;124;?;1358'
  const [district] = await readDistricts(await directoryWith('district', header, row))
  assert.equal(district?.name, 'Jeseník š')
  assert.equal(district?.unemployment1995Percent, null)
  assert.equal(district?.unemployment1996Percent, 7.01)
})

test('a missing directory and a missing file are told apart', async () => {
  await assert.rejects(
    readPkddFiles(join(root, 'nowhere')),
    failsWith('DirectoryMissing', /nowhere: There is no such/),
  )
  const directory = await directoryWith('trans', transHeader)
  await assert.rejects(
    readPkddFiles(directory),
    failsWith('FileMissing', /account\.asc\.gz: There is no such file/),
  )
})

test('what is not gzip, cut short or damaged is refused', async () => {
  const packed = gzipSync(
    Buffer.from(`${transHeader}\n${'1;1;930101;"PRIJEM";"VKLAD";1.00;1.00;"";;\n'.repeat(99)}`),
  )
  const plain = await directoryWithBytes('trans', Buffer.from(transHeader))
  await assert.rejects(readTransactions(plain), failsWith('NotGzip', /trans\.asc\.gz: The file is not gzip/))
  const empty = await directoryWithBytes('trans', Buffer.alloc(0))
  await assert.rejects(readTransactions(empty), failsWith('NotGzip', /empty/))
  for (const length of [1, 5, 40, packed.length - 9, packed.length - 1]) {
    const cut = await directoryWithBytes('trans', packed.subarray(0, length))
    await assert.rejects(readTransactions(cut), failsWith('GzipTruncated', /ends too early/))
  }
  const damaged = Buffer.from(packed)
  damaged[packed.length - 6] = (damaged[packed.length - 6] ?? 0) ^ 0xff
  const directory = await directoryWithBytes('trans', damaged)
  await assert.rejects(readTransactions(directory), failsWith('GzipCorrupt', /damaged/))
})

test('a wrong header is refused', async () => {
  const directory = await directoryWith('trans', '"trans_id";"account"', '1;1')
  await assert.rejects(
    readTransactions(directory),
    failsWith('WrongHeader', /expected the columns trans_id;account_id/, 1),
  )
})

const good = '1;1;930101;"PRIJEM";"VKLAD";1.00;1.00;"";;'
const badRows: [why: string, row: string, message: RegExp][] = [
  ['too few cells', '2;1;930101', /3 cells, expected 10/],
  ['too many cells', `${good};`, /11 cells, expected 10/],
  ['an open quotation mark', '2;1;930101;"PRIJEM;"VKLAD";1.00;1.00;"";;', /quotation mark/],
  [
    'an id that is no number',
    'x;1;930101;"PRIJEM";"VKLAD";1.00;1.00;"";;',
    /column trans_id: "x" is not a whole/,
  ],
  ['a day that does not exist', '2;1;930229;"PRIJEM";"VKLAD";1.00;1.00;"";;', /"930229" is not a date/],
  ['an unknown type', '2;1;930101;"PRYJEM";"VKLAD";1.00;1.00;"";;', /"PRYJEM" is not one of "PRIJEM"/],
  ['an unknown operation', '2;1;930101;"PRIJEM";"KLAD";1.00;1.00;"";;', /column operation/],
  ['an unknown k_symbol', '2;1;930101;"PRIJEM";"VKLAD";1.00;1.00;"NIC";;', /column k_symbol/],
  ['three decimals', '2;1;930101;"PRIJEM";"VKLAD";1.000;1.00;"";;', /"1\.000" is not an amount/],
  ['a comma', '2;1;930101;"PRIJEM";"VKLAD";1.00;1,00;"";;', /column balance/],
  ['a negative amount', '2;1;930101;"PRIJEM";"VKLAD";-1.00;1.00;"";;', /amount is negative/],
  ['an id used before', good, /1 is already used/],
  ['an empty line in the middle', '', /1 cells, expected 10/],
]
for (const [why, row, message] of badRows) {
  test(`a row is refused for ${why}, with its line`, async () => {
    const directory = await directoryWith(
      'trans',
      transHeader,
      good,
      row,
      '9;1;930101;"PRIJEM";"VKLAD";1.00;1.00;"";;',
    )
    await assert.rejects(readTransactions(directory), failsWith('BadRow', message, 3))
  })
}

test('a birth number must be a real date', async () => {
  for (const birthNumber of ['701350', '700230', '7062133', '506300']) {
    const directory = await directoryWith(
      'client',
      '"client_id";"birth_number";"district_id"',
      `1;"${birthNumber}";18`,
    )
    await assert.rejects(readClients(directory), failsWith('BadRow', /birth number/, 2))
  }
})
