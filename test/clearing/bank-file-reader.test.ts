import { createReadStream, readdirSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import type { CivilDate } from '../../src/calendar.ts'
import {
  type BankEvent,
  type BankProfile,
  type EntryEvent,
  strictProfile,
  tolerantProfile,
} from '../../src/clearing/iso20022/bank-events.ts'
import { type BankReadOptions, readBankFile } from '../../src/clearing/iso20022/bank-file-reader.ts'
import { writeBusinessMessage } from '../../src/clearing/iso20022/business-header.ts'
import { piastersOf } from '../../src/clearing/iso20022/read-context.ts'
import {
  type StatementLine,
  writeNotifications,
  writeStatements,
} from '../../src/clearing/iso20022/statement-writer.ts'
import { writeCustomerStatus } from '../../src/clearing/iso20022/status-report.ts'
import { bankSamples } from './bank-samples.ts'
import { sampleFolder, skipWithout, whole } from './iso20022-schemas.ts'

async function* bytes(text: string, step = 65_536): AsyncGenerator<Uint8Array> {
  const all = Buffer.from(text)
  for (let at = 0; at < all.length; at += step) yield all.subarray(at, at + step)
}

async function read(text: string, options: Partial<BankReadOptions> = {}, step?: number): Promise<BankEvent[]> {
  const events: BankEvent[] = []
  for await (const event of readBankFile(bytes(text, step), { file: 'f.xml', ...options })) events.push(event)
  return events
}

const ofType = <T extends BankEvent['type']>(events: readonly BankEvent[], type: T) =>
  events.filter((event): event is Extract<BankEvent, { type: T }> => event.type === type)

const day = 20261122 as CivilDate
const createdMs = Date.UTC(2026, 10, 22, 20, 30)

function lineOf(amountPiasters: bigint, credit: boolean, ids: readonly string[]): StatementLine {
  const each = Number(amountPiasters) / Math.max(ids.length, 1)
  return {
    reference: 'N1',
    amountPiasters,
    credit,
    status: 'BOOK',
    bookingDate: day,
    valueDate: 20261123 as CivilDate,
    accountServicerReference: 'BK1',
    transactionCode: 'PMNT/ICDT/DMCT',
    transactions: ids.map((endToEndId) => ({ endToEndId, amountPiasters: each, credit, remittance: 'pay' })),
    text: 'booked',
  }
}

function statementOf(lines: readonly StatementLine[], opening: bigint, closing: bigint): Promise<string> {
  const account = { iban: 'EG380019000500000000263180002' }
  const balances = { opening: { amountPiasters: opening, date: day }, closing: { amountPiasters: closing, date: day } }
  const reports = [{ id: 'S7', sequence: 7, createdMs, account, ...balances, lines }]
  return whole(writeStatements({ messageId: 'M1', createdMs, reports }))
}

t.test('what is written is read back, however the bytes come', async (t) => {
  const lines = [lineOf(500n, true, ['A']), lineOf(300n, false, ['B', 'C', 'D']), lineOf(1n, true, [])]
  const text = await statementOf(lines, -200n, 1n)
  const events = await read(text)
  t.same(
    events.map(({ type }) => type),
    ['message', 'report', 'entry', 'entry', 'entry', 'report-end', 'end'],
  )
  t.match(events[0], { name: 'camt.053', schema: 'camt.053.001.08', messageId: 'M1', createdMs })
  const [report] = ofType(events, 'report')
  t.match(report, { id: 'S7', sequence: 7, page: 1, lastPage: true, account: 'EG380019000500000000263180002' })
  t.equal(report?.opening?.amount.value, -200_000n, 'a debit balance is below zero')
  const [first, second] = ofType(events, 'entry')
  t.match(first, { reference: 'BK1', entryReference: 'N1', code: 'PMNT/ICDT/DMCT', status: 'BOOK', text: 'booked' })
  t.match(first, { bookingDate: 20261122, valueDate: 20261123 })
  t.same(
    second?.transactions.map(({ endToEndId, value }) => [endToEndId, piastersOf(value ?? 0n)]),
    [
      ['B', -100n],
      ['C', -100n],
      ['D', -100n],
    ],
  )
  t.match(ofType(events, 'report-end')[0], { entries: 3, notBooked: 0, credits: 501_000n, debits: 300_000n })
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 3_000 }), async (step) => {
      t.same(await read(text, {}, step), events)
    }),
    { numRuns: 15 },
  )
})

t.test('any entries and balances that add up are read, and no others', async (t) => {
  const amounts = fc.array(fc.bigInt({ min: -(10n ** 13n), max: 10n ** 13n }), { maxLength: 12 })
  await fc.assert(
    fc.asyncProperty(
      amounts,
      fc.bigInt({ min: -(10n ** 13n), max: 10n ** 13n }),
      fc.boolean(),
      async (list, opening, off) => {
        const lines = list.map((amount) => lineOf(amount < 0n ? -amount : amount, amount >= 0n, []))
        const sum = list.reduce((total, amount) => total + amount, opening)
        const text = await statementOf(lines, opening, off ? sum + 1n : sum)
        if (off) return void (await t.rejects(read(text), { message: /does not add up/ }))
        const entries = ofType(await read(text), 'entry')
        t.same(
          entries.map(({ amount }) => piastersOf(amount.value)),
          list,
        )
      },
    ),
    { numRuns: 40 },
  )
})

const head = '<GrpHdr><MsgId>M</MsgId><CreDtTm>2026-11-22T01:02:03</CreDtTm></GrpHdr>'
const bal = (code: string, amount: string, side = 'CRDT') =>
  `<Bal><Tp><CdOrPrtry><Cd>${code}</Cd></CdOrPrtry></Tp><Amt Ccy="EGP">${amount}</Amt><CdtDbtInd>${side}</CdtDbtInd><Dt><DtTm>2026-11-22T23:00:00+02:00</DtTm></Dt></Bal>`
const code = '<BkTxCd><Prtry><Cd>1</Cd></Prtry></BkTxCd>'
const entry = (amount: string, status = 'BOOK', rest = '') =>
  `<Ntry><Amt Ccy="EGP">${amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>${status}</Sts>${code}${rest}</Ntry>`
const document = (content: string, version = '02') =>
  `<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.${version}"><BkToCstmrStmt>${content}</BkToCstmrStmt></Document>`
const stmt = (content: string, more = '') =>
  `<Stmt><Id>S</Id>${more}<Acct><Id><Othr><Id>123</Id></Othr></Id></Acct>${content}</Stmt>`

t.test('all versions and forms of a field are read', async (t) => {
  for (let version = 2; version <= 14; version++) {
    const status = version < 6 ? 'BOOK' : '<Cd>BOOK</Cd>'
    const text = document(
      head + stmt(bal('OPBD', '0') + bal('CLBD', '1.50000') + entry('1.5', status)),
      String(version).padStart(2, '0'),
    )
    t.equal(ofType(await read(text), 'entry')[0]?.amount.value, 150_000n, `version ${version}`)
  }
  const events = await read(
    document(head + stmt(bal('PRCD', '7') + bal('CLBD', '7') + entry('9', 'PDNG') + entry('8', 'INFO'))),
  )
  t.match(ofType(events, 'report')[0], { opening: { code: 'PRCD' }, closing: { date: 20261122 } })
  t.match(ofType(events, 'report-end')[0], { entries: 0, notBooked: 2 }, 'what is pending is not counted')
  t.equal(ofType(events, 'message')[0]?.createdMs, Date.UTC(2026, 10, 21, 23, 2, 3), 'without offset: Cairo')
  const pages = stmt(
    bal('OPBD', '0') + bal('ITBD', '1') + entry('1'),
    '<StmtPgntn><PgNb>1</PgNb><LastPgInd>false</LastPgInd></StmtPgntn>',
  )
  const last = stmt(
    bal('ITBD', '1') + bal('CLBD', '3') + entry('2'),
    '<StmtPgntn><PgNb>2</PgNb><LastPgInd>true</LastPgInd></StmtPgntn>',
  )
  const read2 = ofType(await read(document(head + pages + last)), 'report')
  t.same(
    read2.map(({ page, lastPage }) => [page, lastPage]),
    [
      [1, false],
      [2, true],
    ],
  )
  t.same(
    read2.map(({ opening, closing }) => [opening?.amount.value, closing?.amount.value]),
    [
      [0n, 100_000n],
      [100_000n, 300_000n],
    ],
  )
})

t.test('an envelope is passed over, prefixes too', async (t) => {
  const inner = {
    messageId: 'N',
    createdMs,
    reports: [{ id: 'N1', createdMs, account: { number: '9' }, lines: [lineOf(5n, true, ['X'])] }],
  }
  const header = {
    from: { bic: 'EGPTEGCX' },
    to: { bic: 'NBEGEGCX' },
    businessMessageId: 'BIZ1',
    messageName: 'camt.054.001.08',
    createdMs,
  }
  const events = await read(await whole(writeBusinessMessage(header, writeNotifications(inner))))
  t.match(events[0], { name: 'camt.054', businessMessageId: 'BIZ1' })
  const plain = document(head + stmt(bal('OPBD', '0') + bal('CLBD', '0')))
  const prefixed = plain.replaceAll(/<(\/?)(?=[A-Z])/g, '<$1d:').replace('xmlns=', 'xmlns:d=')
  t.equal(ofType(await read(prefixed), 'report').length, 1)
})

t.test('answers are read', async (t) => {
  const text = await whole(
    writeCustomerStatus({
      messageId: 'A',
      createdMs,
      originalMessageId: 'M',
      originalMessageName: 'pain.001.001.09',
      groupStatus: 'PART',
      items: [
        { endToEndId: 'E1', status: 'RJCT', reason: 'AC04', text: 'closed' },
        { endToEndId: 'E2', status: 'ACSC' },
      ],
    }),
  )
  t.same(
    ofType(await read(text), 'answer').map(({ level, endToEndId, status, reason }) => [
      level,
      endToEndId,
      status,
      reason,
    ]),
    [
      ['message', undefined, 'PART', undefined],
      ['payment', 'E1', 'RJCT', 'AC04'],
      ['payment', 'E2', 'ACSC', undefined],
    ],
  )
})

t.test('refusals say where and why', async (t) => {
  const ok = bal('OPBD', '0') + bal('CLBD', '1')
  const cases: [name: string, text: string, message: RegExp][] = [
    [
      'places',
      document(head + stmt(ok + entry('1.005'))),
      /f\.xml:1:\d+: Document\/BkToCstmrStmt\/Stmt\/Ntry\/Amt: 1\.005 EGP is not a whole number of piasters/,
    ],
    [
      'six places',
      document(head + stmt(ok + entry('1.000001'))),
      /Ntry\/Amt: "1\.000001" is not an amount with up to 5 places/,
    ],
    [
      'a balance in between closes no statement',
      document(head + stmt(bal('OPBD', '0') + bal('ITBD', '1') + entry('1'))),
      /the statement has no closing balance/,
    ],
    [
      'nor its last page',
      document(
        head +
          stmt(
            bal('ITBD', '0') + bal('ITBD', '1') + entry('1'),
            '<StmtPgntn><PgNb>2</PgNb><LastPgInd>true</LastPgInd></StmtPgntn>',
          ),
      ),
      /the statement has no closing balance/,
    ],
    ['negative', document(head + stmt(ok + entry('-1'))), /"-1" is not an amount/],
    ['comma', document(head + stmt(ok + entry('1,00'))), /is not an amount/],
    ['status', document(head + stmt(ok + entry('1', 'DONE'))), /the status "DONE"/],
    [
      'side',
      document(head + stmt(ok.replace('CRDT', 'C'))),
      /Stmt\/Bal\/CdtDbtInd: CdtDbtInd must be CRDT or DBIT, it is "C"/,
    ],
    [
      'date',
      document(head + stmt(ok + entry('1', 'BOOK', '<BookgDt><Dt>2026-02-30</Dt></BookgDt>'))),
      /Ntry\/BookgDt: "2026-02-30" is not a date/,
    ],
    [
      'sum',
      document(head + stmt(ok + entry('2'))),
      /Stmt: statement S does not add up: opening 0\.00 and entries of 2\.00 make 2\.00, its closing balance is 1\.00/,
    ],
    [
      'batch',
      document(
        head +
          stmt(
            ok +
              entry(
                '1',
                'BOOK',
                '<NtryDtls><Btch><NbOfTxs>3</NbOfTxs></Btch><TxDtls><Amt Ccy="EGP">1</Amt></TxDtls></NtryDtls>',
              ),
          ),
      ),
      /the batch says 3 payments, and 1 are told/,
    ],
    [
      'details',
      document(
        head +
          stmt(
            ok +
              entry(
                '1',
                'BOOK',
                '<NtryDtls><TxDtls><Amt Ccy="EGP">1</Amt></TxDtls><TxDtls><Amt Ccy="EGP">1</Amt></TxDtls></NtryDtls>',
              ),
          ),
      ),
      /the payments of the entry are 2\.00 together, the entry is 1\.00/,
    ],
    ['no header', document(stmt(ok + entry('1'))), /the message has no GrpHdr before it/],
    [
      'long id',
      document(head.replace('>M<', `>${'M'.repeat(36)}<`) + stmt(ok)),
      /GrpHdr\/MsgId: a text of 36 characters; 35 are allowed/,
    ],
    ['no closing', document(head + stmt(bal('OPBD', '0'))), /the statement has no closing balance/],
    ['version', document(head + stmt(ok + entry('1')), '15'), /version camt\.053\.001\.15 is not known/],
    [
      'other message',
      '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:seev.031.001.09"><X/></Document>',
      /the message X is none that is read/,
    ],
    [
      'mixed up',
      document(head).replace('camt.053', 'camt.054'),
      /the namespace is camt\.054\.001\.02 and the message camt\.053/,
    ],
    ['stray', document(`${head}hello`), /the text "hello" stands where only elements may/],
    ['doctype', '<!DOCTYPE a [<!ENTITY b "c">]><Document/>', /DOCTYPE/],
    ['entity', document(head.replace('>M<', '>&b;<')), /entity/i],
    ['instruction', document(`${head}<?php x?>`), /a processing instruction is not allowed/],
    ['not closed', document(head).slice(0, -5), /unclosed|unexpected end|tag/i],
    ['empty', '', /the file is empty/],
    ['blank', ' \n', /there is no Document|document must contain/],
    ['MT940', ':20:STARTUMSE\r\n', /a SWIFT MT message/],
    ['zip', 'PK\u0003\u0004', /an archive/],
    ['not UTF-8', '<?xml version="1.0" encoding="koi8-r"?><a/>', /the encoding koi8-r is not read/],
    ['two', document(head) + document(head), /document|root/i],
  ]
  for (const [name, text, message] of cases) await t.rejects(read(text), { code: 'BAD_INPUT', message }, name)
})

t.test('what readers could take in two ways is refused', async (t) => {
  const ok = bal('OPBD', '0') + bal('CLBD', '1')
  const paged = (pages: string) => stmt(bal('OPBD', '0') + bal('CLBD', '0'), `<StmtPgntn>${pages}</StmtPgntn>`)
  const charged = (rest: string) => entry('1', 'BOOK', `<Chrgs>${rest}</Chrgs>`)
  const cases: [name: string, text: string, message: RegExp][] = [
    [
      'two amounts',
      document(head + stmt(ok + entry('1', 'BOOK', '<Amt Ccy="EGP">2</Amt>'))),
      /a second Amt; there is one at most/,
    ],
    ['two sides', document(head + stmt(ok + entry('1', 'BOOK', '<CdtDbtInd>DBIT</CdtDbtInd>'))), /a second CdtDbtInd/],
    [
      'no side',
      document(head + stmt(ok + entry('1').replace('<CdtDbtInd>CRDT</CdtDbtInd>', ''))),
      /CdtDbtInd must be CRDT or DBIT, it is ""/,
    ],
    ['no amount', document(head + stmt(ok + entry('1').replace(/<Amt.*?<\/Amt>/, ''))), /an entry without amount/],
    ['exponent', document(head + stmt(ok + entry('1e2'))), /"1e2" is not an amount/],
    ['19 digits', document(head + stmt(ok + entry('12345678901234.12345'))), /is not an amount with up to 5 places/],
    [
      'too much',
      document(head + stmt(ok + entry('99999999999999999'))),
      /99999999999999999 EGP is more than can be booked/,
    ],
    ['no currency', document(head + stmt(ok + entry('1').replace(' Ccy="EGP"', ''))), /"" is not a currency/],
    ['dollars', document(head + stmt(ok + entry('1').replace('EGP', 'USD'))), /an entry in USD on an account in EGP/],
    ['foreign entry', document(head + stmt(`${ok}<x:Ntry xmlns:x="urn:x"/>`)), /Ntry is of the namespace "urn:x"/],
    [
      'foreign amount',
      document(
        head + stmt(ok + entry('1').replace('<Amt Ccy="EGP">1</Amt>', '<x:Amt xmlns:x="urn:x" Ccy="EGP">1</x:Amt>')),
      ),
      /Amt is of the namespace "urn:x"/,
    ],
    [
      'foreign message',
      document('')
        .replace(/<(\/?)BkToCstmrStmt>/g, '<$1x:BkToCstmrStmt>')
        .replace('<x:', '<x:')
        .replace('<x:BkToCstmrStmt>', '<x:BkToCstmrStmt xmlns:x="urn:x">'),
      /it is of the namespace "urn:x"/,
    ],
    [
      'other report',
      document(head + stmt(ok).replaceAll('Stmt>', 'Ntfctn>')),
      /Ntfctn does not belong into BkToCstmrStmt/,
    ],
    [
      'a name of JavaScript',
      document(head + stmt(ok).replaceAll('Stmt>', 'constructor>')),
      /constructor does not belong into BkToCstmrStmt/,
    ],
    [
      'a message of JavaScript',
      document(head).replaceAll('BkToCstmrStmt', 'toString'),
      /the message toString is none that is read/,
    ],
    ['no report', document(head), /the message has no statement/],
    ['page 0', document(head + paged('<PgNb>0</PgNb>')), /a page 0/],
    ['page of 6 digits', document(head + paged('<PgNb>100000</PgNb>')), /not a whole number of up to 5 digits/],
    [
      'last page',
      document(head + paged('<PgNb>1</PgNb><LastPgInd>yes</LastPgInd>')),
      /LastPgInd: "yes" is neither true nor false/,
    ],
    [
      'reversal',
      document(head + stmt(ok + entry('1', 'BOOK', '<RvslInd>maybe</RvslInd>'))),
      /RvslInd: "maybe" is neither/,
    ],
    ['year', document(head + stmt(ok.replaceAll('2026-11-22', '0000-01-01'))), /is not a date/],
    ['instant', document(head.replace('2026-11-22', '0001-01-01') + stmt(ok)), /CreDtTm: ".*" is not a date and time/],
    ['offset', document(head.replace('01:02:03', '01:02:03+99:00') + stmt(ok)), /is not a date and time/],
    [
      'charge',
      document(head + stmt(ok + charged('<Rcrd><ChrgInclInd>true</ChrgInclInd></Rcrd>'))),
      /a charge without amount/,
    ],
    [
      'summary',
      document(
        head + stmt(`${ok}<TxsSummry><TtlNtries><NbOfNtries>2</NbOfNtries></TtlNtries></TxsSummry>${entry('1')}`),
      ),
      /its summary says 2 entries, and there are 1/,
    ],
    [
      'UTF-16 in words',
      `<?xml version="1.0" encoding="utf-16"?>${document(head)}`,
      /says that it is UTF-16, and is written with a byte/,
    ],
    [
      'an element of another namespace in an entry',
      document(head + stmt(ok + entry('1', 'BOOK', '<x:foo xmlns:x="urn:x"/>'))),
      /Ntry\/foo: foo is of the namespace "urn:x"/,
    ],
    [
      'an element that no entry has',
      document(head + stmt(ok + entry('1', 'BOOK', '<Foo>1</Foo>'))),
      /Foo does not belong into Ntry/,
    ],
    [
      'an element that no payment has',
      document(head + stmt(ok + entry('1', 'BOOK', '<NtryDtls><TxDtls><Foo>1</Foo></TxDtls></NtryDtls>'))),
      /Foo does not belong into TxDtls/,
    ],
    [
      'a web page',
      '<!DOCTYPE html><html><body>502\u0007',
      /it is a web page, which begins "<!DOCTYPE html><html><body>502/,
    ],
    [
      'another XML file',
      '<rss><channel/></rss>',
      /there is no Document: it is no ISO 20022 message, its first element is rss/,
    ],
    [
      'an element of a thousand letters',
      document(`${head}<${'a'.repeat(1_000)}/>`),
      /the name of an element has more than 128/,
    ],
  ]
  for (const [name, text, message] of cases) {
    await t.rejects(
      read(text, { profile: name === 'summary' ? strictProfile : tolerantProfile }),
      { code: 'BAD_INPUT', message },
      name,
    )
  }
  const zero = paged('<PgNb>2</PgNb><LastPgInd>0</LastPgInd>')
  t.match(ofType(await read(document(head + zero)), 'report')[0], { page: 2, lastPage: false }, '0 is false')
  const nested = entry(
    '1',
    'BOOK',
    `<NtryDtls><TxDtls><Refs><EndToEndId>A</EndToEndId></Refs><SplmtryData><Envlp><TxDtls xmlns="urn:x"><Refs><EndToEndId>B</EndToEndId></Refs></TxDtls></Envlp></SplmtryData></TxDtls></NtryDtls>`,
  )
  const [one] = ofType(await read(document(head + stmt(ok + nested))), 'entry')
  t.same(
    one?.transactions.map(({ endToEndId }) => endToEndId),
    ['A'],
    'a payment within a payment is none',
  )
  const utf16 = Buffer.from(`<?xml version="1.0"?>${document(head + stmt(ok + entry('1')))}`, 'utf16le')
  const events: BankEvent[] = []
  for await (const event of readBankFile(
    (async function* () {
      yield utf16
    })(),
    { file: 'f.xml' },
  ))
    events.push(event)
  t.equal(ofType(events, 'entry').length, 1, 'UTF-16 without a mark')
  const [before = '', after = ''] = `<?xml version="1.0" encoding="windows-1256"?>${document(
    head + stmt(ok + entry('1', 'BOOK', '<AddtlNtryInf>|</AddtlNtryInf>')),
  )}`.split('|')
  const arabic = Buffer.concat([Buffer.from(before), Buffer.from([0xe3, 0xd5, 0xd1]), Buffer.from(after)])
  const read1256: BankEvent[] = []
  for await (const event of readBankFile(
    (async function* () {
      yield arabic
    })(),
    { file: 'f.xml' },
  ))
    read1256.push(event)
  t.equal(ofType(read1256, 'entry')[0]?.text, 'مصر', 'windows-1256')
})

t.test('a card number in what a bank wrote goes no further than its file', async (t) => {
  const [pan, masked] = ['4000001234567899', '400000******7899']
  const rest = `<NtryDtls><TxDtls><RmtInf><Ustrd>card ${pan}</Ustrd></RmtInf></TxDtls></NtryDtls><AddtlNtryInf>of ${pan}</AddtlNtryInf>`
  const text = document(head + stmt(bal('OPBD', '0') + bal('CLBD', '1') + entry('1', 'BOOK', rest)))
  const [found] = ofType(await read(text), 'entry')
  t.equal(found?.text, `of ${masked}`)
  t.equal(found?.transactions[0]?.text, `card ${masked}`)
  await t.rejects(read(text.replace('<Ntry>', `<Ntry>${pan}`)), { message: new RegExp(masked.replaceAll('*', '\\*')) })
})

t.test('charges that an amount has in it are told apart', async (t) => {
  const rcrd = (amount: string, included?: boolean, side = 'DBIT') =>
    `<Rcrd><Amt Ccy="EGP">${amount}</Amt><CdtDbtInd>${side}</CdtDbtInd>${included === undefined ? '' : `<ChrgInclInd>${included}</ChrgInclInd>`}</Rcrd>`
  const chrgs = (...records: string[]) => `<Chrgs>${records.join('')}</Chrgs>`
  const tx = (amount: string, rest = '') =>
    `<TxDtls><Refs><EndToEndId>E</EndToEndId></Refs><Amt Ccy="EGP">${amount}</Amt>${rest}</TxDtls>`
  const details = (...list: string[]) => `<NtryDtls>${list.join('')}</NtryDtls>`
  const chargesOf = async (rest: string) => {
    const text = document(head + stmt(bal('OPBD', '0') + bal('CLBD', '9.50') + entry('9.50', 'BOOK', rest)))
    const [found] = ofType(await read(text), 'entry')
    return [found?.charges ?? 0n, ...(found?.transactions ?? []).map(({ charges }) => charges)].map(Number)
  }
  const half = -50_000
  t.same(await chargesOf(chrgs(rcrd('0.50', true)) + details(tx('10'))), [0, half])
  t.same(await chargesOf(details(tx('10', chrgs(rcrd('0.50', true))))), [0, half])
  t.same(await chargesOf(chrgs(rcrd('0.50', true)) + details(tx('10', chrgs(rcrd('0.50', true))))), [0, half], 'once')
  t.same(await chargesOf(chrgs(rcrd('0.50')) + details(tx('10'))), [0, half], 'not said, but it makes the amount')
  t.same(await chargesOf(chrgs(rcrd('0.50')) + details(tx('9.50'))), [0, 0], 'not said, and booked by itself')
  t.same(await chargesOf(chrgs(rcrd('0.50', false)) + details(tx('10'))), [0, 0], 'said not to be in it')
  t.same(await chargesOf(chrgs(rcrd('0.50', true))), [half], 'without payments')
  t.same(await chargesOf(`<Chrgs><Amt Ccy="EGP">0.50</Amt></Chrgs>${details(tx('10'))}`), [0, half], 'as in version 2')
  t.same(await chargesOf(chrgs(rcrd('0.50', true)) + details(tx('4'), tx('6'))), [half, 0, 0], 'of a batch')
  t.same(await chargesOf(details(tx('4', chrgs(rcrd('0.10', true))), tx('5.50'))), [0, -10_000, 0], 'of one of a batch')
  t.same(await chargesOf(chrgs(rcrd('9.50', true, 'CRDT')) + details(tx('9.50'))), [0, 0], 'not all of an amount')
})

t.test('sizes have limits', async (t) => {
  const deep = document(head + stmt('<Bal>'.repeat(60)))
  await t.rejects(read(deep), { message: /more than 40 elements in another/ })
  await t.rejects(read(document(head.replace('>M<', `>${'M'.repeat(20_000)}<`))), {
    message: /a text of more than 10000 characters/,
  })
  await t.rejects(
    read(document(head + stmt('<Bal/>'.repeat(3)).replace('<Bal/>', `<Bal>${'<a/>'.repeat(6_000)}</Bal>`))),
    { message: /more than 5000 elements/ },
  )
  await t.rejects(read(document(`${head}<!--${'x'.repeat(3_000_000)}`)), { message: /a text or tag does not end/ })
  const long = 'x'.repeat(9_000)
  await t.rejects(read(document(head.replace('<GrpHdr>', `<GrpHdr a="${'x'.repeat(20_000)}">`))), {
    message: /an attribute of more than 10000 characters/,
  })
  const texts = `<a>${long}</a>`.repeat(30)
  await t.rejects(read(document(head + stmt(`<Ntry>${texts}</Ntry>`))), {
    message: /more than 200000 characters in one element/,
  })
  const between = `<TxDtls/><a>${long}</a>`.repeat(30)
  await t.rejects(
    read(document(head + stmt(`<Ntry><NtryDtls>${between}</NtryDtls></Ntry>`))),
    { message: /more than 200000 characters in one element/ },
    'parts do not make room for more',
  )
  await t.rejects(read(document(head + stmt(bal('FWAV', '1').repeat(201)))), {
    message: /more than 200 elements before the entries/,
  })
  await t.rejects(read(document(head), { limits: { bytesMax: 50 } }), { message: /the file is larger than 50 bytes/ })
})

t.test('what a bank is known for is forgiven and told', async (t) => {
  const text = `<Document><BkToCstmrStmt>${head}x${stmt(`${bal('OPBD', '0') + bal('CLBD', '1')}<Ntry><Amt Ccy="EGP">1</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><AcctSvcrRef>${'r'.repeat(40)}</AcctSvcrRef></Ntry>`)}</BkToCstmrStmt></Document>`
  const end = (await read(text, { profile: tolerantProfile })).at(-1)
  t.same(end?.type === 'end' && end.forgiven.map(({ kind, times }) => [kind, times]), [
    ['namespace', 1],
    ['stray-text', 1],
    ['no-code', 1],
    ['long-text', 1],
  ])
  const some: BankProfile = { name: 'one', forgive: new Set(['namespace']) }
  await t.rejects(read(text, { profile: some }), { message: /the text "x"/ }, 'and nothing else')
})

t.test('every sample file is read or rejected for a stated reason', { skip: skipWithout(sampleFolder) }, async (t) => {
  const files = readdirSync(sampleFolder, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile() && file.name !== 'README.md')
    .map((file) => path.relative(sampleFolder, path.join(file.parentPath, file.name)))
  t.same(files.toSorted(), Object.keys(bankSamples).toSorted(), 'the table names every file')
  for (const [file, expected] of Object.entries(bankSamples)) {
    for (const [profile, words] of [
      [strictProfile, expected.strict],
      [tolerantProfile, expected.tolerant ?? expected.strict],
    ] as const) {
      const outcome = await outcomeOf(file, profile)
      if (typeof words === 'string') t.equal(outcome, words, `${file}, ${profile.name}`)
      else t.match(outcome, words, `${file}, ${profile.name}`)
    }
  }
})

/** What was read, or the reason why not. */
async function outcomeOf(file: string, profile: BankProfile): Promise<string> {
  const counts = new Map<string, number>()
  const add = (what: string, by = 1) => counts.set(what, (counts.get(what) ?? 0) + by)
  let name = ''
  let forgiven = ''
  try {
    const chunks = createReadStream(path.join(sampleFolder, file))
    for await (const event of readBankFile(chunks, { file: path.basename(file), profile })) {
      if (event.type === 'message') name = event.schema
      else if (event.type === 'end') forgiven = event.forgiven.map(({ kind }) => ` (${kind})`).join('')
      else if (event.type !== 'report-end') add(event.type)
      if (event.type === 'entry') add('payment', (event as EntryEvent).transactions.length)
    }
  } catch (error) {
    return `refused: ${(error as Error).message}`
  }
  return `${name}${[...counts].map(([what, count]) => ` ${what} ${count}`).join('')}${forgiven}`
}
