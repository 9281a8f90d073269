import fc from 'fast-check'
import t from 'tap'
import type { CivilDate } from '../../src/calendar.ts'
import { latinOfArabic } from '../../src/clearing/iso20022/arabic.ts'
import { businessHeaderXml, writeBusinessMessage } from '../../src/clearing/iso20022/business-header.ts'
import {
  type CreditTransfer,
  type InstitutionTransfers,
  type PaymentInitiation,
  writeCustomerCreditTransfers,
  writeInstitutionTransfers,
  writePaymentInitiation,
} from '../../src/clearing/iso20022/credit-transfer.ts'
import { accountOf } from '../../src/clearing/iso20022/parties.ts'
import { writePaymentReturns } from '../../src/clearing/iso20022/payment-return.ts'
import {
  type AccountReports,
  writeNotifications,
  writeStatements,
} from '../../src/clearing/iso20022/statement-writer.ts'
import {
  type StatusReport,
  writeCustomerStatus,
  writeInstitutionStatus,
} from '../../src/clearing/iso20022/status-report.ts'
import { decimalPounds, identifier, isoDateTime, latinText, uetrOf } from '../../src/clearing/iso20022/values.ts'
import { schemaFolder, schemaProblem, skipWithout, whole } from './iso20022-schemas.ts'

const createdMs = Date.UTC(2026, 10, 22, 20, 30)
const settlementDate = 20261123 as CivilDate
const ourBank = { bic: 'EGPTEGCX' }
const otherBank = { memberId: '0017', name: 'بنك التجربة' }
const iban = 'EG380019000500000000263180002'
const us = { name: 'Mizan settlement', identification: 'MIZAN' }

const payments: CreditTransfer[] = [
  {
    endToEndId: 'UC20261122B0017-000001',
    amountPiasters: 123_456,
    creditor: { name: 'مخبز النور & أولاده', identification: 'BAKERY00001', town: 'بورسعيد', country: 'EG' },
    creditorAccount: { iban },
    creditorAgent: otherBank,
    purpose: 'GOVT',
    remittance: 'خبز 2026-11-22 <total>',
  },
  {
    endToEndId: 'UC20261122B0017-000002',
    amountPiasters: 5,
    creditor: { name: 'Café "Zamalek"' },
    creditorAccount: accountOf('00012345678'),
    creditorAgent: { bic: 'NBEGEGCXXXX' },
  },
]
const totals = { transactions: 2, amountPiasters: 123_461n }

const initiation: PaymentInitiation = {
  messageId: 'UC.PAY.0017.20261122.1',
  createdMs,
  initiatingParty: us,
  paymentInformationId: 'UC20261122B0017',
  executionDate: settlementDate,
  debtor: us,
  debtorAccount: { iban },
  debtorAgent: ourBank,
  totals,
  payments,
}

const net: InstitutionTransfers = {
  messageId: 'UC.NET.0017.20261122.1',
  createdMs,
  settlementDate,
  instructingAgent: ourBank,
  instructedAgent: otherBank,
  totals: { transactions: 1, amountPiasters: 9_007_199_254_740_991n },
  payments: [
    {
      endToEndId: 'UC20261122N0017',
      amountPiasters: Number.MAX_SAFE_INTEGER,
      debtor: ourBank,
      debtorAccount: { number: '70070001' },
      creditor: otherBank,
      remittance: 'net of 2026-11-22',
    },
  ],
}

const status: StatusReport = {
  messageId: 'STS1',
  createdMs,
  originalMessageId: initiation.messageId,
  originalMessageName: 'pain.001.001.09',
  originalPaymentInformationId: initiation.paymentInformationId,
  groupStatus: 'PART',
  instructingAgent: otherBank,
  items: [
    { endToEndId: 'UC20261122B0017-000001', status: 'ACSC', accountServicerReference: 'BK-1', acceptedMs: createdMs },
    { endToEndId: 'UC20261122B0017-000002', status: 'RJCT', reason: 'AC04', text: 'الحساب مغلق' },
  ],
}

const statement: AccountReports = {
  messageId: 'STM1',
  createdMs,
  reports: [
    {
      id: 'STM1-1',
      sequence: 7,
      createdMs,
      fromMs: createdMs - 86_400_000,
      toMs: createdMs,
      account: { iban },
      servicer: ourBank,
      opening: { amountPiasters: -50n, date: 20261122 as CivilDate },
      closing: { amountPiasters: 123_411n, date: 20261122 as CivilDate },
      lines: [
        {
          reference: '1',
          amountPiasters: 123_461n,
          credit: true,
          reversal: true,
          status: 'BOOK',
          bookingDate: 20261122 as CivilDate,
          valueDate: settlementDate,
          accountServicerReference: 'BK-1',
          transactionCode: 'PMNT/ICDT/DMCT',
          transactions: payments.map(({ endToEndId, amountPiasters }) => ({
            endToEndId,
            amountPiasters,
            credit: true,
            chargePiasters: 50,
            returnReason: 'AC01',
            remittance: 'x',
          })),
          text: 'two payments',
        },
      ],
    },
  ],
}

const returns = {
  messageId: 'RTR1',
  createdMs,
  settlementDate,
  originalMessageId: net.messageId,
  originalMessageName: 'pacs.009.001.08',
  instructingAgent: otherBank,
  instructedAgent: ourBank,
  totals: { transactions: 1, amountPiasters: 100n },
  payments: [
    { returnId: 'R1', endToEndId: 'E1', originalPiasters: 100, returnedPiasters: 100, reason: 'RC01', text: 'unknown' },
  ],
}

const header = {
  from: ourBank,
  to: otherBank,
  businessMessageId: net.messageId,
  messageName: 'pacs.009.001.08',
  createdMs,
}

const customer = {
  messageId: 'C1',
  createdMs,
  settlementDate,
  instructingAgent: ourBank,
  instructedAgent: otherBank,
  debtor: us,
  debtorAccount: { iban },
  debtorAgent: ourBank,
  totals,
  payments,
}

t.test('written messages are valid by the official schemas', { skip: skipWithout(schemaFolder) }, async (t) => {
  const written: Record<string, AsyncIterable<string>> = {
    'pain.001.001.09': writePaymentInitiation(initiation),
    'pacs.008.001.08': writeCustomerCreditTransfers(customer),
    'pacs.009.001.08': writeInstitutionTransfers(net),
    'pain.002.001.10': writeCustomerStatus(status),
    'pacs.002.001.10': writeInstitutionStatus(status),
    'pacs.004.001.09': writePaymentReturns(returns),
    'camt.053.001.08': writeStatements(statement),
    'camt.054.001.08': writeNotifications({
      ...statement,
      reports: [{ id: 'N1', createdMs, account: { number: '42' }, lines: [] }],
    }),
  }
  for (const [schema, chunks] of Object.entries(written))
    t.equal(schemaProblem(schema, await whole(chunks)), undefined, schema)
  t.equal(schemaProblem('head.001.001.02', businessHeaderXml(header)), undefined, 'head.001.001.02')
  const wrong = (await whole(writeStatements(statement))).replace('CRDT', 'CREDIT')
  t.match(schemaProblem('camt.053.001.08', wrong), /CdtDbtInd/, 'the schema does find what is wrong')
})

t.test('pain.001 says what it was given', async (t) => {
  const text = await whole(writePaymentInitiation(initiation))
  t.match(text, '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09">')
  t.equal(text.match(/<NbOfTxs>2<\/NbOfTxs><CtrlSum>1234.61<\/CtrlSum>/g)?.length, 2, 'in group and payment header')
  t.match(text, '<CreDtTm>2026-11-22T22:30:00+02:00</CreDtTm>')
  t.match(text, '<InstdAmt Ccy="EGP">1234.56</InstdAmt>')
  t.match(text, '<InstdAmt Ccy="EGP">0.05</InstdAmt>')
  t.match(text, '<Nm>Mkhbz Al Nur + Awladh</Nm>')
  t.match(text, '<Nm>Cafe .Zamalek.</Nm>')
  t.match(text, `<IBAN>${iban}</IBAN>`)
  t.match(text, '<Othr><Id>00012345678</Id></Othr>')
  t.match(text, '<Ustrd>Khbz 2026-11-22 .total.</Ustrd>')
  t.equal(await whole(writePaymentInitiation(initiation)), text, 'the same bytes again')
})

t.test('pacs.009 carries one net amount with a reference that is always the same', async (t) => {
  const text = await whole(writeInstitutionTransfers(net))
  t.match(text, '<TtlIntrBkSttlmAmt Ccy="EGP">90071992547409.91</TtlIntrBkSttlmAmt>')
  t.match(text, `<UETR>${uetrOf('UC20261122N0017')}</UETR>`)
  t.match(uetrOf('UC20261122N0017'), /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  const wrapped = await whole(writeBusinessMessage(header, writeInstitutionTransfers(net)))
  t.equal(wrapped.match(/<\?xml/g)?.length, 1)
  t.match(wrapped, '<CreDt>2026-11-22T20:30:00Z</CreDt>')
})

t.test('a message that is not what its header says is not completed', async (t) => {
  const more = { ...initiation, totals: { transactions: 3, amountPiasters: totals.amountPiasters } }
  await t.rejects(whole(writePaymentInitiation(more)), { code: 'ASSERTION_FAILED' })
  const other = { ...initiation, totals: { transactions: 2, amountPiasters: 1n } }
  await t.rejects(whole(writePaymentInitiation(other)), { code: 'ASSERTION_FAILED' })
  const nothing = { ...net, totals: { transactions: 0, amountPiasters: 0n }, payments: [] }
  await t.rejects(whole(writeInstitutionTransfers(nothing)), { code: 'ASSERTION_FAILED' })
  const first = payments[0] as CreditTransfer
  const wrong: Partial<CreditTransfer>[] = [
    { amountPiasters: 0 },
    { amountPiasters: -1 },
    { endToEndId: 'x'.repeat(36) },
    { endToEndId: '' },
    { endToEndId: '/x' },
    { endToEndId: 'a//b' },
    { endToEndId: 'é' },
    { creditor: { name: '…' } },
    { creditorAccount: { iban: 'EG380019000500000000263180003' } },
    { creditorAccount: { number: '1'.repeat(35) } },
    { creditorAgent: {} },
    { creditorAgent: { bic: 'egptegcx' } },
    { purpose: 'grants' },
  ]
  for (const part of wrong) {
    const payment = { ...first, ...part }
    const one = { transactions: 1, amountPiasters: BigInt(payment.amountPiasters) }
    await t.rejects(whole(writePaymentInitiation({ ...initiation, totals: one, payments: [payment] })), {
      code: 'BAD_INPUT',
    })
  }
})

t.test('a file of many payments is written in chunks, none larger than needed', async (t) => {
  const count = 5_000
  function* many() {
    for (let at = 0; at < count; at++)
      yield { ...(payments[0] as CreditTransfer), endToEndId: `E${at}`, amountPiasters: 1 }
  }
  let largest = 0
  let chunks = 0
  const message = { ...initiation, totals: { transactions: count, amountPiasters: BigInt(count) }, payments: many() }
  for await (const chunk of writePaymentInitiation(message)) {
    largest = Math.max(largest, chunk.length)
    chunks++
  }
  t.ok(chunks > 10 && largest < 70_000, `${chunks} chunks of at most ${largest}`)
})

t.test('values', async (t) => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 10n ** 17n }), (amount) => {
      const text = decimalPounds(amount)
      return /^\d+\.\d\d$/.test(text) && BigInt(text.replace('.', '')) === amount
    }),
  )
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), fc.integer({ min: 1, max: 140 }), (text, max) => {
      const latin = latinText(`a${text}`, max, 'a name')
      return latin.length <= max && /^[A-Za-z0-9/\-?:().,'+ ]+$/.test(latin) && latin === latin.trim()
    }),
  )
  t.throws(() => decimalPounds(10n ** 18n), { code: 'BAD_INPUT' })
  t.equal(latinOfArabic('مكتب بريد السويس ١٢'), 'Mktb Brid Al Suys 12')
  t.equal(latinOfArabic('محمّد يوسف'), 'Mhmmd Yusf')
  t.equal(identifier('A/b-c', 'x'), 'A/b-c')
  t.equal(isoDateTime(Date.UTC(2026, 6, 1, 21)), '2026-07-02T00:00:00+03:00', 'summer time')
})
