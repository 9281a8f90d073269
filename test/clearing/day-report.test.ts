import t from 'tap'
import { type DayReport, maskWords } from '../../src/clearing/day/report.ts'
import { escapeHtml, reportHtml } from '../../src/clearing/day/report-html.ts'
import { reportSections } from '../../src/clearing/day/report-sections.ts'
import { reportText } from '../../src/clearing/day/report-text.ts'

/** What steers a terminal or turns the direction of text; lines end as they do. */
const HIDDEN = /(?!\n)\p{C}/u
const nothing = { exceptions: 0, valueAtRiskPiasters: '0' }

/** A day of which nothing is known but that it is there. */
const empty: DayReport = {
  businessDate: '2026-11-18',
  drawnAt: '2026-11-18T21:00:00.000Z',
  day: { state: 'open', askedBy: null, askedAt: null, lanesClosedAt: null, closedAt: null, steps: [] },
  trialBalance: [],
  files: { rows: [], leftOut: 0, sums: [] },
  settlement: [],
  bank: { valueDates: ['2026-11-19'], statements: [], statementsLeftOut: 0, missing: [] },
  reconciliation: {
    runs: [],
    runsLeftOut: 0,
    matches: [],
    openOfDate: nothing,
    openOfAll: nothing,
    exceptions: [],
    ageing: [],
  },
}

const run: DayReport['settlement'][number] = {
  cycle: 1,
  coversFrom: '2026-11-17',
  valueDate: '2026-11-19',
  state: 'released',
  releasedBy: 'a + b',
  payables: [
    {
      programme: 1,
      unit: 'LOAF',
      outlets: 2,
      quantity: '1500',
      coPaymentPiasters: '30000',
      payablePiasters: '123456789',
    },
    { programme: 2, unit: 'EGP', outlets: 1, quantity: '1500', coPaymentPiasters: '0', payablePiasters: '1' },
  ],
  holdback: { held: 1, released: 0, heldPurchasesPiasters: '5', heldSubsidyPiasters: '6', releasedPiasters: '0' },
  positions: [],
  positionsLeftOut: 7,
  positionSums: { creditPiasters: '0', debitPiasters: '0', netPiasters: '0' },
  waiting: [{ note: 'no-institution', kind: 'cashClearing', accounts: 1, piasters: '10600000' }],
  instructions: [
    { state: 'sent', instructions: 2, piasters: '9007199254740993' },
    { state: 'settled', instructions: 3, piasters: '7' },
  ],
}

t.test('parts that have nothing yet say so, and signatures have their place', async (t) => {
  const sections = reportSections(empty)
  for (const { title, tables, notes } of sections) {
    t.same(tables, [], title)
    t.ok(notes.length > 0, `${title} says that there is nothing`)
  }
  const page = reportHtml('Day report', sections)
  t.notMatch(page, /<script|<link|<img|src=|href=|url\(|@import/i, 'nothing from outside')
  t.match(page, /@page \{ size: A4/)
  t.match(page, /thead \{ display: table-header-group/)
  t.match(page, /Maker.*Checker/s)
  t.match(reportText(sections), /There are no files of the date yet\..*no run of settlement.*was not reconciled yet/s)
})

t.test('what a run left on accounts is told with its reason', async (t) => {
  const text = reportText(reportSections({ ...empty, settlement: [run] }))
  t.match(text, /Waits, by reason.*no-institution\s+cashClearing\s+1\s+106,000\.00/s)
})

t.test('sums are exact, amounts have two decimals and stand on the right', async (t) => {
  const line = (unit: 'EGP' | 'LOAF', kind: number, debits: string, credits: string) => ({
    ...{ kind, accountName: `account ${kind}`, unit, lines: 2, debits, credits },
    balance: String(BigInt(credits) - BigInt(debits)),
  })
  const trialBalance = [line('EGP', 6001, '9007199254740993', '0'), line('EGP', 7001, '0', '9007199254740993')]
  const cut = {
    bank: { ...empty.bank, statementsLeftOut: 3 },
    reconciliation: { ...empty.reconciliation, runsLeftOut: 2_000 },
  }
  const report = {
    ...empty,
    trialBalance: [...trialBalance, line('LOAF', 1001, '1500', '1499')],
    settlement: [run],
    ...cut,
  }
  const text = reportText(reportSections(report))
  t.match(text, /sum +EGP +4 +90,071,992,547,409\.93 +90,071,992,547,409\.93 +0\.00\n/)
  t.match(text, /sum +LOAF +2 +1,500 +1,499 +-1\n/)
  t.match(text, /Debits and credits of LOAF do NOT agree\./)
  t.notMatch(text, /of EGP do NOT agree/)
  t.match(text, /sum +300\.00 +1,234,567\.90\n/)
  t.match(text, /sum +5 +90,071,992,547,410\.00\n/)
  t.match(text, /business dates +2026-11-17 to 2026-11-18\n/)
  t.match(text, /0\.11 EGP of 1 outlet/)
  t.match(text, /3 further statement\(s\) are not listed; mizan bank statements/)
  t.match(text, /2,000 further run\(s\) are not listed/)
  t.match(text, /7 further position\(s\) are not listed/)
  const page = reportHtml('Day report', reportSections(report))
  t.match(page, '<td class="right">1,234,567.90</td>')
  t.match(page, '<section class="page">\n<h2>Settlement</h2>')
})

t.test('words of others are text, whatever stands in them', async (t) => {
  const evil = `<script>alert("1")</script> & '\u202e\u001b[2J\n`
  const exception: DayReport['reconciliation']['exceptions'][number] = {
    ...{
      exceptionId: 1,
      break: 'position-short',
      level: 'position',
      state: 'open',
      owner: evil,
      openedOn: '2026-11-18',
    },
    ...{ ageDays: 3, lateness: 'late', valueAtRiskPiasters: '500', summary: evil },
  }
  const step = { step: evil, state: 'blocked', attempts: 1, startedAt: null, endedAt: null, words: evil } as const
  const report: DayReport = {
    ...empty,
    day: { ...empty.day, steps: [step] },
    bank: { ...empty.bank, missing: [evil] },
    reconciliation: { ...empty.reconciliation, exceptions: [exception] },
  }
  const page = reportHtml(evil, reportSections(report))
  t.notMatch(page, /<script/)
  t.notMatch(page, HIDDEN)
  t.equal(page.split('&#60;script&#62;alert(&#34;1&#34;)&#60;/script&#62; &#38; &#39;').length - 1, 7)
  t.notMatch(reportText(reportSections(report)), HIDDEN)
  t.equal(escapeHtml('"<a b=\'&\'>"'), '&#34;&#60;a b=&#39;&#38;&#39;&#62;&#34;')
})

t.test('no account number of a bank and no card number gets in by words', async (t) => {
  const iban = `EG38${'0019000500000000263180002'}`
  t.equal(maskWords(`returned from ${iban}, ask`), 'returned from ****0002, ask')
  t.equal(maskWords(iban.replace(/(.{4})(?=.)/g, '$1 ')), '****0002')
  t.notMatch(maskWords('card 4000001234567899 unknown'), '4000001234567899')
  const kept = 'UC.PAY.STBA.20261118.1.002.xml UC-20261118-1-OO-00000000062 42 of 43 in 2026'
  t.equal(maskWords(kept), kept)
})
