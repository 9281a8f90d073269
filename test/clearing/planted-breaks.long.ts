import { setTimeout as sleep } from 'node:timers/promises'
import { type Test, test } from 'tap'
import { parseDate } from '../../src/calendar.ts'
import { type BreakName, breakTypes } from '../../src/clearing/reconciliation/breaks.ts'
import { proposalOf } from '../../src/clearing/reconciliation/desk.ts'
import { reconcile } from '../../src/clearing/reconciliation/reconcile.ts'
import { matchingRules } from '../../src/clearing/reconciliation/rules.ts'
import { reconcileCommand } from '../../src/commands/reconcile.ts'
import { closeException, noteSuspended } from '../../src/store/clearing/reconciliation-change.ts'
import { readException } from '../../src/store/clearing/reconciliation-desk.ts'
import { type Client, connect } from '../../src/store/connection.ts'
import { prepareDatabase } from '../../src/store/installation.ts'
import { commandRunner } from '../support/command.ts'
import { createTestDatabase } from '../support/database.ts'
import {
  AS_OF,
  account,
  authorization,
  BANK,
  closeStatement,
  DAY,
  entry,
  ids,
  item,
  networkItem,
  post,
  VALUE_DATE,
  writeDay,
} from './reconciled-day.ts'

const LATER = '2026-11-23'
const REFUND = 2_500
const tables = [
  'authorization_journal',
  'transfer',
  'balance',
  'hold',
  'hold_event',
  'clearing_file',
  'clearing_item',
  'network_item',
  'network_total',
  'network_file_refusal',
  'dispute',
  'settlement_payable',
  'settlement_due',
  'settlement_instruction_event',
  'settlement_instruction_line',
  'settlement_instruction',
  'bank_file',
  'bank_statement',
  'bank_entry',
]

async function world(t: Test) {
  const { url } = await createTestDatabase(t)
  await prepareDatabase(url, 1)
  const client = await connect({ url, name: 'mizan test' })
  t.teardown(() => client.end())
  await writeDay(client)
  await client.query(
    `create schema saved; ${tables.map((name) => `create table saved.${name} as table public.${name}`).join(';')}`,
  )
  // What a fault does to rows that never change in use.
  await client.query('set session_replication_role = replica')
  const restore = async () => {
    for (const name of tables) {
      const { rows } = await client.query<{ columns: string }>(
        `select string_agg(quote_ident(attname), ', ' order by attnum) as columns from pg_attribute
         where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = ''`,
        [name],
      )
      const { columns } = rows[0] ?? {}
      await client.query(
        `delete from ${name}; insert into ${name} (${columns}) overriding system value select ${columns} from saved.${name}`,
      )
    }
  }
  let at = Date.parse('2026-11-22T09:30:00+02:00')
  const run = (asOf = AS_OF) =>
    reconcile({
      url,
      businessDate: parseDate(DAY),
      asOf: parseDate(asOf),
      requestedBy: 'test',
      nowMs: () => ++at,
      settings: { presentmentDays: 3, lookBackDays: 30 },
    })
  return { url, client, run, restore }
}

async function openBreaks(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ break: string }>(
    `select break from reconciliation_exception where state in ('open', 'assigned', 'waiting') order by 1`,
  )
  return rows.map((row) => row.break)
}

interface Plant {
  readonly what: string
  readonly finds: BreakName
  readonly asOf?: string
  readonly piasters: number
  readonly plant: (client: Client) => Promise<unknown>
}

/** What the bank's booking of an instruction came to instead, with what the program then posts. */
async function rebook(client: Client, reference: string, posted: number): Promise<void> {
  const { rows } = await client.query<{ leg: number }>(
    `select (select e.number from bank_entry e where e.end_to_end_id = $1) as leg`,
    [reference],
  )
  const [row] = (
    await client.query<{ debit: string; credit: string; amount: string }>(
      'delete from transfer where group_id = $1 and leg = $2 returning debit, credit, amount',
      [ids.bank, rows[0]?.leg],
    )
  ).rows
  for (const [number, delta] of [
    [row?.debit, row?.amount],
    [row?.credit, `-${row?.amount}`],
  ]) {
    await client.query('update balance set posted = posted + $2 where account = $1', [number, delta])
  }
  await client.query('delete from bank_entry where end_to_end_id = $1', [reference])
  if (posted > 0 && row !== undefined) {
    const kind = Number(row.debit) === account(8007, BANK) ? 'settlementReceived' : 'settlementPaid'
    const sides = { debit: Number(row.debit), credit: Number(row.credit) }
    await post(client, { id: ids.bank, leg: 50, kind, ...sides, amount: posted, date: VALUE_DATE })
  }
}

/** The bank books another amount for the collection; what is beyond it goes into suspense. */
async function bookRefund(client: Client, amount: number): Promise<void> {
  await rebook(client, 'UC-N-REFUND', Math.min(amount, REFUND))
  const over = amount - REFUND
  const beyond =
    over > 0 ? { suspense: await suspend(client, 'position-over', over), state: 'matched', kind: 47, note: 'over' } : {}
  await entry(client, { number: 5, reference: 'UC-N-REFUND', amount, ...beyond })
  await closeStatement(client)
}

/** Money of the bank's that nobody can name, in the suspense of a break. */
async function suspend(client: Client, name: BreakName, piasters: number): Promise<readonly [number, number]> {
  const held = account(7010, breakTypes[name].number)
  const bank = account(8007, BANK)
  const amount = Math.abs(piasters)
  const sides =
    piasters > 0
      ? { kind: 'toSuspense' as const, debit: bank, credit: held }
      : { kind: 'fromSuspense' as const, debit: held, credit: bank }
  await post(client, { id: ids.bank, leg: 60, ...sides, amount, date: VALUE_DATE })
  return [held, piasters]
}

/** Nothing of the statement was taken: its file was refused, or never came. */
async function withoutStatement(client: Client): Promise<void> {
  for (const reference of ['UC-O-901', 'UC-O-902', 'UC-N-SCHEME', 'UC-N-CASH', 'UC-N-REFUND'])
    await rebook(client, reference, 0)
  await client.query(
    `delete from bank_statement; delete from bank_file; update settlement_instruction set state = 'accepted'`,
  )
}

const refuseStatement = (client: Client, cause: 'gap' | 'balance') =>
  client.query(
    `insert into bank_file (id, name, bytes, sha256, received_at, received_by, state, bank, cause, reason) overriding system value
     values (9, 'STM3.xml', 10, decode(repeat('09', 32), 'hex'), '${VALUE_DATE} 08:00+02', 'test', 'refused', ${BANK}, $1, 'as it is told')`,
    [cause],
  )

const refuseFile = (client: Client, code: string) =>
  client.query(
    `insert into network_file_refusal (name, bytes, sha256, code, reason, at) values ('ITF', 10, repeat('ab', 32), $1, 'as it is told', '${DAY} 23:00+02')`,
    [code],
  )

const presented = (client: Client, piasters: number) =>
  client.query(`update network_total set debit_piasters = debit_piasters + $1, items = items + 1`, [piasters])

const plants: readonly Plant[] = [
  {
    what: 'a posting left out of the card scheme’s file',
    finds: 'missing-item',
    piasters: 5_000,
    plant: (client) =>
      client.query(`delete from clearing_item where authorization_id = ${ids.purchase};
        update clearing_file set items = 1, gross_piasters = 20000 where id = 1`),
  },
  {
    what: 'an item with another amount than was posted',
    finds: 'amount-differs',
    piasters: 300,
    plant: (client) =>
      client.query(`update clearing_item set amount_piasters = 5300 where authorization_id = ${ids.purchase};
        update clearing_file set gross_piasters = 25300 where id = 1`),
  },
  {
    what: 'an item a piaster off',
    finds: 'rounding',
    piasters: 1,
    plant: (client) =>
      client.query(`update clearing_item set amount_piasters = 5001 where authorization_id = ${ids.purchase};
        update clearing_file set gross_piasters = 25001 where id = 1`),
  },
  {
    what: 'loaves in the subsidy file that were not dispensed',
    finds: 'amount-differs',
    piasters: 180,
    plant: (client) => client.query(`update clearing_item set quantity = 21 where authorization_id = ${ids.bread}`),
  },
  {
    what: 'an item of an authorization that posted nothing',
    finds: 'cleared-not-authorised',
    piasters: 900,
    plant: async (client) => {
      await item(client, { fileId: 1, number: 3, id: 99_968, code: '05', amount: 900 })
      await client.query('update clearing_file set items = 3, gross_piasters = 25900 where id = 1')
    },
  },
  {
    what: 'a reversal of what an earlier file cleared, in no file',
    finds: 'reversal-after-clearing',
    piasters: 1_000,
    plant: async (client) => {
      await authorization(client, { id: 1_088, link: 'visa', mti: '0400', amount: 1_000, originalId: 64_000 })
      await post(client, {
        id: 1_088,
        kind: 'moneyReversal',
        debit: account(7004),
        credit: account(6001, 7),
        amount: 1_000,
      })
      await client.query(
        `update settlement_due set added = added - 1000, closing = -1000 where account = ${account(7004)}`,
      )
    },
  },
  {
    what: 'an item that was posted by force',
    finds: 'forced-item',
    piasters: 7_000,
    plant: (client) =>
      client.query(`update network_item set state = 'forced', outcome = 'forced', rule = null, confidence = null`),
  },
  {
    what: 'a late presentment',
    finds: 'late-presentment',
    piasters: 7_000,
    plant: (client) => client.query(`update network_item set flags = '{late,dispute-right}'`),
  },
  {
    what: 'an item that came twice',
    finds: 'duplicate-item',
    piasters: 7_000,
    plant: async (client) => {
      await networkItem(client, { number: 2, amount: 7_000, state: 'duplicate', reason: 'duplicate' })
      await presented(client, 7_000)
    },
  },
  ...(
    [
      ['no-authorization', 'cleared-not-authorised'],
      ['over-tolerance', 'amount-differs'],
      ['currency', 'currency'],
      ['bad-date', 'item-rejected'],
    ] as const
  ).map(
    ([reason, finds]): Plant => ({
      what: `a presentment that could not be posted: ${reason}`,
      finds,
      piasters: 4_000,
      plant: async (client) => {
        await networkItem(client, { number: 2, amount: 4_000, state: 'exception', reason })
        await presented(client, 4_000)
      },
    }),
  ),
  {
    what: 'a reversal of the network without its presentment',
    finds: 'unmatched-reversal',
    piasters: 4_000,
    plant: async (client) => {
      await networkItem(client, {
        number: 2,
        amount: 4_000,
        code: '25',
        state: 'exception',
        reason: 'unmatched-reversal',
      })
      await client.query('update network_total set credit_piasters = 4000, items = 2')
    },
  },
  {
    what: 'a reversal advice whose original never came',
    finds: 'unmatched-reversal',
    piasters: 2_200,
    plant: async (client) => {
      await authorization(client, { id: 1_088, link: 'visa', mti: '0420', amount: 2_200 })
      await client.query(
        'update authorization_journal set original_key = gen_random_uuid(), approved_amount = 0 where id = 1088',
      )
    },
  },
  {
    what: 'a hold that nobody presents',
    finds: 'authorised-not-cleared',
    asOf: LATER,
    piasters: 7_000,
    plant: (client) =>
      client
        .query('delete from hold_event; delete from network_item; delete from network_total;')
        .then(() => unpost(client)),
  },
  {
    what: 'a file that came a second time',
    finds: 'duplicate-file',
    piasters: 0,
    plant: (client) => refuseFile(client, 'repeated'),
  },
  {
    what: 'a file that the next one shows to be missing',
    finds: 'missing-file',
    piasters: 0,
    plant: (client) => refuseFile(client, 'out-of-sequence'),
  },
  {
    what: 'a file that cannot be read',
    finds: 'file-refused',
    piasters: 0,
    plant: (client) => refuseFile(client, 'unreadable'),
  },
  {
    what: 'a file of ours that is gone',
    finds: 'missing-file',
    piasters: 0,
    plant: (client) => client.query('delete from clearing_file where id = 2'),
  },
  {
    what: 'a file with another gross amount than its items',
    finds: 'file-totals-differ',
    piasters: 100,
    plant: (client) => client.query('update clearing_file set gross_piasters = gross_piasters + 100 where id = 1'),
  },
  {
    what: 'a report of the network with other totals (TC 46)',
    finds: 'file-totals-differ',
    piasters: 50,
    plant: (client) => client.query('update network_total set debit_piasters = debit_piasters + 50'),
  },
  {
    what: 'a short credit',
    finds: 'position-short',
    piasters: 500,
    plant: (client) => bookRefund(client, 2_000),
  },
  {
    what: 'a credit of more than was instructed',
    finds: 'position-over',
    piasters: 500,
    plant: (client) => bookRefund(client, 3_000),
  },
  {
    what: 'a payment that the bank booked on the wrong side',
    finds: 'wrong-sign',
    piasters: 2_700,
    plant: async (client) => {
      await rebook(client, 'UC-O-902', 0)
      const suspense = await suspend(client, 'wrong-sign', 2_700)
      await entry(client, { number: 2, reference: 'UC-O-902', amount: 2_700, suspense, note: 'wrong-sign' })
      await client.query(`update settlement_instruction set state = 'accepted' where end_to_end_id = 'UC-O-902'`)
      await closeStatement(client)
    },
  },
  {
    what: 'an instruction that the bank did not book',
    finds: 'missing-bank-entry',
    piasters: 3_600,
    plant: async (client) => {
      await rebook(client, 'UC-O-901', 0)
      await client.query(`update settlement_instruction set state = 'accepted' where end_to_end_id = 'UC-O-901'`)
      await closeStatement(client)
    },
  },
  {
    what: 'money at the bank that nobody sent',
    finds: 'unknown-bank-entry',
    piasters: 777,
    plant: async (client) => {
      await entry(client, {
        number: 6,
        amount: 777,
        suspense: await suspend(client, 'unknown-bank-entry', 777),
        note: 'unknown',
      })
      await closeStatement(client)
    },
  },
  {
    what: 'a fee of the bank',
    finds: 'bank-fee',
    piasters: 150,
    plant: async (client) => {
      await post(client, {
        id: ids.bank,
        leg: 61,
        kind: 'bankFee',
        debit: account(8009),
        credit: account(8007, BANK),
        amount: 150,
        date: VALUE_DATE,
      })
      await entry(client, { number: 6, amount: -150, kind: 58, code: 'PMNT/MDOP/CHRG' })
      await closeStatement(client)
    },
  },
  {
    what: 'a payout that came back',
    finds: 'bank-return',
    piasters: 3_600,
    plant: async (client) => {
      await post(client, {
        id: ids.bank,
        leg: 62,
        kind: 'settlementReturned',
        debit: account(8007, BANK),
        credit: account(7009, 901),
        amount: 3_600,
        date: VALUE_DATE,
      })
      await entry(client, { number: 6, reference: 'UC-O-901', amount: 3_600, returned: 'AC04', kind: 48 })
      await client.query(
        `with i as (update settlement_instruction set state = 'returned', reason_code = 'AC04' where end_to_end_id = 'UC-O-901' returning id)
         insert into settlement_instruction_event (instruction_id, state, source, piasters) select id, 'returned', 'bank:1', 3600 from i`,
      )
      await closeStatement(client)
    },
  },
  {
    what: 'a payout of which half came back',
    finds: 'bank-return',
    piasters: 1_800,
    plant: async (client) => {
      await post(client, {
        id: ids.bank,
        leg: 62,
        kind: 'settlementReturned',
        debit: account(8007, BANK),
        credit: account(7009, 901),
        amount: 1_800,
        date: VALUE_DATE,
      })
      await entry(client, { number: 6, reference: 'UC-O-901', amount: 1_800, returned: 'AC04', kind: 48 })
      await client.query(
        `with i as (update settlement_instruction set state = 'returned', reason_code = 'AC04' where end_to_end_id = 'UC-O-901' returning id)
         insert into settlement_instruction_event (instruction_id, state, source, piasters) select id, 'returned', 'bank:1', 1800 from i`,
      )
      await closeStatement(client)
    },
  },
  {
    what: 'a payment with a later value date',
    finds: 'late-value',
    piasters: 0,
    plant: (client) =>
      client.query(`update bank_entry set value_date = value_date + 1 where end_to_end_id = 'UC-O-901'`),
  },
  {
    what: 'a payment that the bank refused',
    finds: 'instruction-rejected',
    piasters: 3_600,
    plant: async (client) => {
      await rebook(client, 'UC-O-901', 0)
      await post(client, {
        id: ids.bank,
        leg: 63,
        kind: 'settlementRejected',
        debit: account(7007, BANK),
        credit: account(7009, 901),
        amount: 3_600,
        date: VALUE_DATE,
      })
      await client.query(
        `update settlement_instruction set state = 'rejected', reason_code = 'AC01' where end_to_end_id = 'UC-O-901'`,
      )
      await closeStatement(client)
    },
  },
  {
    what: 'a gap in the numbers of the bank’s statements',
    finds: 'statement-gap',
    asOf: LATER,
    piasters: 0,
    plant: async (client) => {
      await withoutStatement(client)
      await refuseStatement(client, 'gap')
    },
  },
  {
    what: 'no statement at all',
    finds: 'statement-gap',
    asOf: LATER,
    piasters: 40_800,
    plant: withoutStatement,
  },
  {
    what: 'a statement that does not begin where the one before ended',
    finds: 'balance-differs',
    asOf: LATER,
    piasters: 0,
    plant: async (client) => {
      await withoutStatement(client)
      await refuseStatement(client, 'balance')
    },
  },
  {
    what: 'a balance at the bank that is not the ledger’s',
    finds: 'balance-differs',
    piasters: 40,
    plant: (client) => shift(client, account(8007, BANK), -40),
  },
  {
    what: 'a control account with a posting too much',
    finds: 'control-account-open',
    piasters: 300,
    plant: (client) => shift(client, account(7004), 300),
  },
  {
    what: 'a payable that is not loaves times tariff',
    finds: 'subsidy-payable-differs',
    piasters: 100,
    plant: (client) =>
      client.query('update settlement_payable set payable_piasters = payable_piasters + 100 where outlet_id = 901'),
  },
  {
    what: 'a disputes account with more than the open disputes',
    finds: 'control-account-open',
    piasters: 700,
    plant: (client) => shift(client, account(7008), 700),
  },
  {
    what: 'funds of the state that neither payables nor payments explain',
    finds: 'control-account-open',
    piasters: 250,
    plant: (client) => shift(client, account(8006, 1), -250),
  },
  {
    what: 'a subsidy file that says another payable than the run pays',
    finds: 'subsidy-payable-differs',
    piasters: 50,
    plant: (client) =>
      client.query(`update clearing_file set totals = totals || '{"payablePiasters": "6350"}' where id = 2`),
  },
  {
    what: 'loaves that balances have and the journal never issued',
    finds: 'issuance-not-conserved',
    piasters: 0,
    plant: (client) => client.query(`delete from transfer where kind = 1 and group_id = ${ids.bread}`),
  },
  {
    what: 'a programme that gave out more than it issued',
    finds: 'issuance-not-conserved',
    piasters: 0,
    plant: (client) => client.query(`update balance set posted = posted + 5 where account = ${account(1101, 7)}`),
  },
  {
    what: 'a dispute that is open',
    finds: 'chargeback-open',
    piasters: 7_000,
    plant: async (client) => {
      await post(client, {
        id: ids.bank,
        leg: 64,
        kind: 'chargeback',
        debit: account(7004),
        credit: account(7008),
        amount: 7_000,
        date: VALUE_DATE,
      })
      await client.query(
        `insert into dispute (file_id, number, lane, household_id, card_id, arn, transaction_code, amount_piasters, reason_code, reason,
           posted, state, raised_by, approved_by, raised_at, respond_by)
         values (3, 1, 0, 7, 1, lpad('1', 23, '7'), '15', 7000, '30', 'not received', true, 'raised', 'a', 'b', '${VALUE_DATE} 08:00+02', '2026-12-30')`,
      )
    },
  },
]

/** An account holds something that nobody posted. */
async function shift(client: Client, number: number, piasters: number): Promise<void> {
  const { rowCount } = await client.query('update balance set posted = posted + $2 where account = $1', [
    number,
    piasters,
  ])
  if (rowCount !== 0) return
  await client.query(
    `insert into balance (lane, household_id, period, account, posted, held, batch_seq) values (0, 0, 0, $1, $2, 0, 1)`,
    [number, piasters],
  )
}

/** The presentment was never there: the hold is open, and the scheme is paid that much less. */
async function unpost(client: Client): Promise<void> {
  await client.query(`delete from transfer where group_id = ${ids.presented}; delete from authorization_journal where id = ${ids.presented};
    update balance set posted = posted - 7000 where account = ${account(7004)};
    update settlement_due set added = added - 7000, closing = -7000 where account = ${account(7004)}`)
}

test('a day that agrees has no exceptions, and a second run changes nothing', async (t) => {
  const { url, client, run } = await world(t)
  const first = await run()
  t.same(await openBreaks(client), [], 'nothing is wrong')
  t.match(first, { state: 'done', found: 0, openAfter: 0 })
  const matches = 'select * from reconciliation_match order by 1, 2, 3, 4, 5, 6, 7, 8'
  const before = await client.query(matches)
  // Five items of ours and one of the network, a sum netted out, two files and a report, five instructions.
  t.equal(before.rowCount, 4 + 1 + 1 + 3 + 5)
  t.match(await run(), { matched: first.matched, found: 0, opened: 0 })
  t.same((await client.query(matches)).rows, before.rows, 'the same matches, of the run that found them')

  const mizan = commandRunner({ DATABASE_URL: url })
  t.match(await mizan(reconcileCommand, ['run']), { status: 1, errors: /no business day was closed/ })
  await client.query(`update lane set open_date = '${AS_OF}'`)
  await client.query(`insert into business_day (business_date) values ('${DAY}')`)
  const args = ['run', '--date', DAY, '--as-of', AS_OF]
  t.match(await mizan(reconcileCommand, args), { status: 0, out: /nothing is open/ })
  await client.query('update settlement_payable set payable_piasters = payable_piasters + 1 where outlet_id = 901')
  t.match(
    await mizan(reconcileCommand, args),
    { status: 1, out: /subsidy-payable-differs/ },
    'what is open shows in the exit status',
  )
  t.match(await mizan(reconcileCommand, ['run', '--date', 'today']), { status: 1, errors: /yyyy-mm-dd/ })
  t.match(await mizan(reconcileCommand, ['show']), { status: 0, out: /by end-to-end/ })

  const rules = await client.query('select number, name, level, confidence from reconciliation_rule order by number')
  const known = Object.entries(matchingRules).map(([name, { number, level, confidence }]) => ({
    number,
    name,
    level,
    confidence,
  }))
  t.same(
    rules.rows,
    known.sort((a, b) => a.number - b.number),
    'the database knows the rules of the program',
  )
})

test('each planted break is found as what it is, once, and goes when it is mended', async (t) => {
  const { client, run, restore } = await world(t)
  for (const [index, { what, finds, asOf, piasters, plant }] of plants.entries()) {
    await plant(client)
    await run(asOf)
    const { rows } = await client.query(
      `select id, break, value_at_risk_piasters, summary from reconciliation_exception where state = 'open' order by id`,
    )
    t.same(
      rows.map((row) => [row.break, Number(row.value_at_risk_piasters)]),
      [[finds, piasters]],
      what,
    )
    if (rows.length !== 1) t.comment(rows)
    // Time is dear: what holds for some holds for all.
    if (index % 8 === 0)
      t.match(await run(asOf), { found: 1, opened: 0 }, `${what}: found again, it is the same exception`)
    await restore()
    t.match(await run(asOf), { found: 0, resolved: 1, openAfter: 0 }, `${what}: mended, it is resolved`)
  }
})

test('what two people corrected is no break of its own; what they gave up may come after all', async (t) => {
  const { client, run } = await world(t)
  await bookRefund(client, 2_000)
  await run()
  const { rows } = await client.query<{ id: string }>('select id from reconciliation_exception')
  const id = Number(rows[0]?.id)
  const author = { actor: 'user:one + user:two', nowMs: Date.parse('2026-11-22T10:00:00+02:00') }
  const { number } = breakTypes['position-short']
  const [transit, held, lost] = [account(7007, BANK), account(7010, number), account(8008, number)]
  const move = async (leg: number, kind: 'fromSuspense' | 'writeOff', debit: number, credit: number) => {
    await post(client, { id: ids.bank, leg, kind, debit, credit, amount: 500, date: VALUE_DATE })
    const postings = [{ kind, debit, credit, amountPiasters: 500 }]
    return { resolution: 'the bank keeps it', reference: `exception:${id}:${leg}`, postings }
  }

  const suspended = await move(70, 'fromSuspense', held, transit)
  await noteSuspended(client, id, { ...suspended, suspendedPiasters: -500 }, author)
  t.match(await run(), { opened: 0, found: 1, openAfter: 1 }, 'in suspense')
  const writtenOff = await move(71, 'writeOff', lost, held)
  await closeException(client, id, { ...writtenOff, state: 'written-off', settledPiasters: -500 }, author)
  t.match(await run(), { opened: 0, found: 1, openAfter: 0 }, 'written off, and transit is right')

  // The bank pays it after all.
  await entry(client, { number: 7, reference: 'UC-N-REFUND', amount: 500 })
  const bank = account(8007, BANK)
  const kind = 'settlementReceived'
  await post(client, { id: ids.bank, leg: 72, kind, debit: bank, credit: transit, amount: 500, date: VALUE_DATE })
  await closeStatement(client)
  t.match(await run(), { opened: 1, found: 0, openAfter: 1 })
  const exception = await readException(client, id)
  t.match(exception, { state: 'open', break: 'position-short', differencePiasters: 0, settledPiasters: -500 })
  t.match(proposalOf(exception), [{ kind: 'toSuspense', debit: transit, credit: held, amountPiasters: 500 }])
  t.match(await run(), { opened: 0, resolved: 0, openAfter: 1 }, 'until somebody takes the write-off back')
})

test('money in suspense keeps its exception open when its break is gone', async (t) => {
  const { client, run, restore } = await world(t)
  await bookRefund(client, 2_000)
  await run()
  const { rows } = await client.query<{ id: string }>('select id from reconciliation_exception')
  const id = Number(rows[0]?.id)
  const author = { actor: 'user:one + user:two', nowMs: Date.parse('2026-11-22T10:00:00+02:00') }
  const [transit, held] = [account(7007, BANK), account(7010, breakTypes['position-short'].number)]
  const postings = [{ kind: 'fromSuspense', debit: held, credit: transit, amountPiasters: 500 }]
  const moved = { resolution: 'held', reference: `exception:${id}:1`, postings, suspendedPiasters: -500 }
  await noteSuspended(client, id, moved, author)
  await restore()
  await post(client, {
    id: ids.bank,
    leg: 70,
    kind: 'fromSuspense',
    debit: held,
    credit: transit,
    amount: 500,
    date: VALUE_DATE,
  })
  t.match(await run(), { opened: 0, found: 0, resolved: 0, openAfter: 1 }, 'the bank paid all of it')
  const exception = await readException(client, id)
  t.match(exception, { differencePiasters: 0, suspendedPiasters: -500, valueAtRiskPiasters: 500 })
  t.match(proposalOf(exception), [{ kind: 'toSuspense', debit: transit, credit: held, amountPiasters: 500 }])
})

test('a run reads the days that it is of, however many lie before them', async (t) => {
  const { client, run } = await world(t)
  await client.query(`select ensure_partitions('2026-10-01', 1)`)
  await client.query(`insert into business_day (business_date) values ('2026-10-31')`)
  await client.query(
    `insert into business_day_balance (business_date, kind, owner, debits, credits, balance) values ('2026-10-31', 8001, 0, 0, 0, 0)`,
  )
  const reads = async (day: string) => {
    const { rows } = await client.query<{ reads: string }>(
      `select seq_scan + coalesce(idx_scan, 0) as reads from pg_stat_user_tables where relname = 'transfer_' || $1`,
      [day],
    )
    return Number(rows[0]?.reads)
  }
  // What this connection did itself is told first.
  await client.query('select pg_stat_force_next_flush()')
  const [own, before] = [await reads('20261119'), await reads('20261001')]
  t.match(await run(), { openAfter: 0 })
  // A process of the database tells what it read when it ends.
  for (const deadline = performance.now() + 60_000; (await reads('20261119')) === own; ) {
    if (performance.now() > deadline) throw new Error('nothing was read of the day itself')
    await sleep(50)
  }
  t.equal(await reads('20261001'), before, 'nothing of a day long ago')
})
