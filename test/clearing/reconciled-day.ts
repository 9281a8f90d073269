import { type TransferKind, transferKinds } from '../../src/ledger/posting-rules.ts'
import type { Client } from '../../src/store/connection.ts'

/**
 * A small business day through all three legs, as rows of the tables that the parts of clearing keep: what was posted, what was
 * filed and presented, what was instructed, and what the bank booked. Everything agrees to the piaster.
 */
export const DAY = '2026-11-19'
/** The next banking day: Thursday to Sunday. */
export const VALUE_DATE = '2026-11-22'
export const AS_OF = '2026-11-22'
export const BANK = 1
export const FEE_CODE = 'PMNT/MDOP/CHRG'

const SPAN = 100_000_000_000
export const account = (kind: number, owner = 0) => kind * SPAN + owner
const household = 7
const postal = account(6001, household)
const breadWallet = account(1101, household)
const breadFunding = account(3101)
const redeemedAt = (outlet: number) => account(2101, outlet)

/** Ids of what was done, by name. */
export const ids = {
  deposit: 64,
  purchase: 128,
  cash: 192,
  hold: 256,
  undone: 320,
  undoing: 384,
  bread: 448,
  moreBread: 512,
  presented: 576,
  settlement: 640,
  bank: 704,
} as const

/** Writes the day; the client is the owner of the database. */
export async function writeDay(client: Client): Promise<void> {
  await client.query(`select ensure_partitions('${DAY}', 6)`)
  await client.query(`insert into batch (lane, seq, epoch, first_id, next_id, committed_at, hash)
    values (0, 1, 1, 64, 100000, '${DAY} 10:00+02', decode(repeat('ab', 32), 'hex'))`)
  await client.query(`insert into acquirer (id, name) values ('400001', 'Test acquirer') on conflict do nothing`)
  for (const [id, category] of [
    [901, 'bakery'],
    [902, 'bakery'],
  ] as const) {
    await client.query(
      `insert into outlet (id, acceptor_id, name, category, mcc, governorate) values ($1, $2, $3, $4, '5462', 'PTS')`,
      [id, `OUTLET${id}`, `Bakery ${id}`, category],
    )
  }
  await writeLedger(client)
  await writeClearing(client)
  await writeSettlement(client)
  await writeBank(client)
}

async function writeLedger(client: Client): Promise<void> {
  const visa = { link: 'visa', acquirer: '400001' }
  await authorization(client, { id: ids.deposit, link: 'ascii', mti: '0200', amount: 1_000_000 })
  await post(client, { id: ids.deposit, kind: 'deposit', debit: account(8001), credit: postal, amount: 1_000_000 })
  await authorization(client, { id: ids.purchase, ...visa, mti: '0200', amount: 5_000 })
  await post(client, { id: ids.purchase, kind: 'purchase', debit: postal, credit: account(7004), amount: 5_000 })
  await authorization(client, { id: ids.cash, ...visa, mti: '0200', amount: 20_000 })
  await post(client, {
    id: ids.cash,
    kind: 'cashWithdrawal',
    debit: postal,
    credit: account(7004 - 1, 400_001),
    amount: 20_000,
  })
  await authorization(client, { id: ids.undone, ...visa, mti: '0200', amount: 3_000 })
  await post(client, { id: ids.undone, kind: 'purchase', debit: postal, credit: account(7004), amount: 3_000 })
  await authorization(client, { id: ids.undoing, ...visa, mti: '0400', amount: 3_000, originalId: ids.undone })
  await post(client, { id: ids.undoing, kind: 'moneyReversal', debit: account(7004), credit: postal, amount: 3_000 })
  // Bread of two bakeries: 20 and 15 loaves.
  for (const [id, outlet, loaves] of [
    [ids.bread, 901, 20],
    [ids.moreBread, 902, 15],
  ] as const) {
    await authorization(client, { id, link: 'ascii', mti: '0200', amount: loaves * 20, outletId: outlet })
    await post(client, {
      id,
      kind: 'entitlementIssue',
      debit: breadFunding,
      credit: breadWallet,
      amount: loaves,
      period: 20261119,
    })
    await post(client, {
      id,
      leg: 1,
      kind: 'subsidyRedemption',
      debit: breadWallet,
      credit: redeemedAt(outlet),
      amount: loaves,
      period: 20261119,
    })
  }
  // Held by a message, posted by the network's presentment.
  await authorization(client, { id: ids.hold, ...visa, mti: '0100', amount: 7_000 })
  await client.query(
    `insert into hold (lane, id, batch_seq, household_id, kind, debit, credit, amount, cashback, expires_at)
     values (0, $1, 1, $2, 10, $3, $4, 7000, 0, '2026-11-26 10:00+02')`,
    [ids.hold, household, postal, account(7004)],
  )
  await authorization(client, { id: ids.presented, link: 'clearing', mti: '0220', amount: 7_000, originalId: ids.hold })
  await post(client, { id: ids.presented, kind: 'purchase', debit: postal, credit: account(7004), amount: 7_000 })
  await client.query(
    `insert into hold_event (lane, id, by_id, batch_seq, captured, cashback, released, ending) values (0, $1, $2, 1, 7000, 0, 0, 'captured')`,
    [ids.hold, ids.presented],
  )
}

async function writeClearing(client: Client): Promise<void> {
  await client.query(`insert into clearing_rail (link) values ('visa')`)
  await client.query(`select begin_clearing_items('${DAY}', '{}', '[]'), finish_clearing_items('${DAY}')`)
  await file(client, 1, { type: 'CTF', institution: 'SCHEME', items: 2, gross: 25_000 })
  await file(client, 2, { type: 'SUB', institution: 'TESTBANK-1', items: 2, gross: 35 * 180 })
  await client.query(`update clearing_file set totals = '{"programme": 1, "payablePiasters": "6300"}' where id = 2`)
  await file(client, 3, {
    direction: 'in',
    type: 'ITF',
    institution: 'SCHEME',
    items: 1,
    gross: 7_000,
    state: 'processed',
  })
  await item(client, { fileId: 1, number: 1, id: ids.purchase, code: '05', amount: 5_000 })
  await item(client, { fileId: 1, number: 2, id: ids.cash, code: '07', amount: 20_000 })
  await item(client, {
    fileId: 2,
    number: 1,
    id: ids.bread,
    code: 'RD',
    programme: 1,
    amount: 0,
    quantity: 20,
    outlet: 901,
  })
  await item(client, {
    fileId: 2,
    number: 2,
    id: ids.moreBread,
    code: 'RD',
    programme: 1,
    amount: 0,
    quantity: 15,
    outlet: 902,
  })
  await networkItem(client, { number: 1, amount: 7_000, posted: ids.presented, authorization: ids.hold })
  await client.query(
    `insert into network_total (file_id, number, report, settlement_date, mode, amount_type, currency, items, credit_piasters,
       debit_piasters, net_piasters)
     values (3, 9, 'V2', '${DAY}', 'issuer', 'interchange', '818', 1, 0, 7000, -7000)`,
  )
}

async function writeSettlement(client: Client): Promise<void> {
  await client.query(`insert into settlement_bank (number, code) values (${BANK}, 'TESTBANK')`)
  await client.query(
    `insert into settlement_run (business_date, cycle, covers_from, value_date, state, released_at, released_by)
     values ('${DAY}', 1, '${DAY}', '${VALUE_DATE}', 'released', now(), 'user:a + user:b')`,
  )
  for (const [outlet, loaves] of [
    [901, 20],
    [902, 15],
  ] as const) {
    const payable = loaves * 180
    await client.query(
      `insert into settlement_payable (business_date, cycle, outlet_id, programme, entitlement_date, unit, quantity, tariff_version,
         tariff_from, piasters_per_unit, co_payment_piasters, payable_piasters)
       values ('${DAY}', 1, $1, 1, '${DAY}', 'LOAF', $2, 1, '2026-01-01', 180, $3, $4)`,
      [outlet, loaves, loaves * 20, payable],
    )
    await due(client, account(7005, outlet), payable)
    await instruction(client, {
      reference: `UC-O-${outlet}`,
      outlet,
      amount: payable,
      direction: 'pay',
      lines: [[account(7005, outlet), payable]],
    })
    await post(client, {
      id: ids.settlement,
      leg: outlet,
      kind: 'subsidyPayable',
      debit: account(8006, 1),
      credit: account(7005, outlet),
      amount: payable,
      date: '2026-11-20',
    })
    await post(client, {
      id: ids.settlement,
      leg: outlet + 10,
      kind: 'settlementInstructed',
      debit: account(7005, outlet),
      credit: account(7007, BANK),
      amount: payable,
      date: '2026-11-20',
    })
  }
  // The scheme gets what was bought; the network of the machines gets its cash.
  await due(client, account(7004), 12_000)
  await instruction(client, {
    reference: 'UC-N-SCHEME',
    institution: ['scheme', 0],
    amount: 12_000,
    direction: 'pay',
    lines: [[account(7004), 12_000]],
  })
  await post(client, {
    id: ids.settlement,
    leg: 1,
    kind: 'settlementInstructed',
    debit: account(7004),
    credit: account(7007, BANK),
    amount: 12_000,
    date: '2026-11-20',
  })
  await due(client, account(7003, 400_001), 20_000)
  await instruction(client, {
    reference: 'UC-N-CASH',
    institution: ['acquirer', 400_001],
    amount: 20_000,
    direction: 'pay',
    lines: [[account(7003, 400_001), 20_000]],
  })
  await post(client, {
    id: ids.settlement,
    leg: 2,
    kind: 'settlementInstructed',
    debit: account(7003, 400_001),
    credit: account(7007, BANK),
    amount: 20_000,
    date: '2026-11-20',
  })
  // An acquirer owes us a refund.
  await due(client, account(7002, 400_001), -2_500)
  await instruction(client, {
    reference: 'UC-N-REFUND',
    institution: ['acquirer', 400_001],
    amount: 2_500,
    direction: 'collect',
    lines: [[account(7002, 400_001), -2_500]],
  })
  await post(client, {
    id: ids.deposit,
    leg: 5,
    kind: 'refund',
    debit: account(7002, 400_001),
    credit: postal,
    amount: 2_500,
  })
  await post(client, {
    id: ids.settlement,
    leg: 3,
    kind: 'collectionInstructed',
    debit: account(7007, BANK),
    credit: account(7002, 400_001),
    amount: 2_500,
    date: '2026-11-20',
  })
}

/** What the bank books for the instructions of the day, by reference. */
export const bookings: Readonly<Record<string, number>> = {
  'UC-O-901': -3_600,
  'UC-O-902': -2_700,
  'UC-N-SCHEME': -12_000,
  'UC-N-CASH': -20_000,
  'UC-N-REFUND': 2_500,
}
const OPENING = 500_000

async function writeBank(client: Client): Promise<void> {
  await file(client, 4, {
    direction: 'in',
    type: 'STM',
    institution: 'TESTBANK',
    items: 0,
    gross: 0,
    state: 'processed',
  })
  await post(client, {
    id: ids.bank,
    leg: 900,
    kind: 'poolTransfer',
    debit: account(8007, BANK),
    credit: account(8001),
    amount: OPENING,
    date: '2026-11-20',
  })
  await client.query(
    `insert into bank_file (id, name, bytes, sha256, received_at, received_by, state, schema, message_id, bank) overriding system value
     values (1, 'STM1.xml', 10, decode(repeat('01', 32), 'hex'), '${VALUE_DATE} 08:00+02', 'test', 'read', 'camt.053.001.08', 'M1', ${BANK})`,
  )
  const movements = Object.values(bookings)
  const credits = movements.filter((amount) => amount > 0).reduce((sum, amount) => sum + amount, 0)
  const debits = -movements.filter((amount) => amount < 0).reduce((sum, amount) => sum + amount, 0)
  await client.query(
    `insert into bank_statement (id, file_id, bank_file, report, bank, account, statement_id, sequence, statement_date, opening_piasters,
       closing_piasters, entries, credit_piasters, debit_piasters, state, booked_at, ledger_piasters) overriding system value
     values (1, 4, 1, 'statement', ${BANK}, 'OURS', 'S1', 1, '${VALUE_DATE}', ${OPENING}, $1, $2, $3, $4, 'booked', now(), $1)`,
    [OPENING + credits - debits, movements.length, credits, debits],
  )
  let number = 0
  for (const [reference, amount] of Object.entries(bookings)) {
    number++
    await entry(client, { number, reference, amount })
    const [kind, debit, credit] =
      amount < 0
        ? (['settlementPaid', account(7007, BANK), account(8007, BANK)] as const)
        : (['settlementReceived', account(8007, BANK), account(7007, BANK)] as const)
    await post(client, { id: ids.bank, leg: number, kind, debit, credit, amount: Math.abs(amount), date: '2026-11-22' })
  }
}

export interface Row {
  readonly id: number
  readonly leg?: number
  readonly kind: TransferKind
  readonly debit: number
  readonly credit: number
  readonly amount: number
  readonly date?: string
  readonly period?: number
}

/** Posts a transfer as the writer would: the row, and the balances of both sides. */
export async function post(client: Client, row: Row): Promise<void> {
  const { id, leg = 0, kind, debit, credit, amount, date = DAY, period = 0 } = row
  await client.query(
    `insert into transfer (lane, business_date, group_id, leg, batch_seq, kind, debit, credit, amount, period)
     values (0, $1, $2, $3, 1, $4, $5, $6, $7, $8)`,
    [date, id, leg, transferKinds[kind], debit, credit, amount, period],
  )
  for (const [number, delta] of [
    [credit, amount],
    [debit, -amount],
  ] as const) {
    const accountClass = Math.floor(number / SPAN / 1_000)
    const owner = accountClass === 1 || accountClass === 6 ? number % SPAN : 0
    const key = [owner, accountClass === 1 ? period : 0, number]
    const { rowCount } = await client.query(
      'update balance set posted = posted + $4 where household_id = $1 and period = $2 and account = $3',
      [...key, delta],
    )
    if (rowCount === 1) continue
    await client.query(
      `insert into balance (lane, household_id, period, account, posted, held, batch_seq) values (0, $1, $2, $3, $4, 0, 1)`,
      [...key, delta],
    )
  }
}

export interface AuthorizationRow {
  readonly id: number
  readonly link: string
  readonly mti: string
  readonly amount: number
  readonly acquirer?: string
  readonly originalId?: number
  readonly outletId?: number
  readonly date?: string
}

export async function authorization(client: Client, row: AuthorizationRow): Promise<void> {
  const { id, link, mti, amount, acquirer = '1', originalId, outletId, date = DAY } = row
  await client.query(
    `insert into authorization_journal (lane, business_date, id, batch_seq, entitlement_date, received_at, link, mti, dedupe_key,
       content_hash, acquirer, terminal, acceptor, outlet_id, stan, transmission, rrn, network_reference, pan_masked, card_id,
       household_id, transaction_type, account_code, mcc, amount, approved_amount, result, response_code, original_id, answer, trace)
     values (0, $1, $2, 1, $1, now(), $3, $4, gen_random_uuid(), gen_random_uuid(), $5, 'T1', 'A1', $6, '000001', '1119100000', '1', '',
       '400000******0001', 1, $7, '00', '20', '5411', $8, $8, 'approved', '00', $9, '{}', '[]')`,
    [date, id, link, mti, acquirer, outletId ?? null, household, amount, originalId ?? null],
  )
}

interface FileRow {
  readonly direction?: 'out' | 'in'
  readonly type: string
  readonly institution: string
  readonly items: number
  readonly gross: number
  readonly state?: string
}

async function file(client: Client, id: number, row: FileRow): Promise<void> {
  const { direction = 'out', type, institution, items, gross, state = 'delivered' } = row
  const name = `UC.${type}.${institution}.${DAY.replaceAll('-', '')}.1.001`
  await client.query(
    `insert into clearing_file (id, direction, type, institution, business_date, name, path, state, bytes, sha256, records, items, gross_piasters)
     overriding system value values ($1::bigint, $2, $3, $4, '${DAY}', $5, $5, $6, 100, decode(lpad($1::bigint::text, 64, '0'), 'hex'), 9, $7, $8)`,
    [id, direction, type, institution, name, state, items, gross],
  )
}

export interface ItemRow {
  readonly fileId: number
  readonly number: number
  readonly id: number
  readonly code: string
  readonly amount: number
  readonly programme?: number
  readonly quantity?: number
  readonly outlet?: number
}

/** An item of an outgoing file. */
export async function item(client: Client, row: ItemRow): Promise<void> {
  const { fileId, number, id, code, amount, programme = 0, quantity = 0, outlet } = row
  await client.query(
    `insert into clearing_item (business_date, file_id, number, lane, authorization_id, programme, transaction_code, amount_piasters,
       outlet_id, quantity, entitlement_date) values ('${DAY}', $1, $2, 0, $3, $4, $5, $6, $7, $8, $9)`,
    [fileId, number, id, programme, code, amount, outlet ?? null, quantity, programme === 0 ? null : DAY],
  )
}

export interface NetworkRow {
  readonly number: number
  readonly amount: number
  readonly code?: string
  readonly posted?: number
  readonly authorization?: number
  readonly state?: string
  readonly reason?: string
  readonly outcome?: string
  readonly flags?: readonly string[]
}

/** An item of the network's file. */
export async function networkItem(client: Client, row: NetworkRow): Promise<void> {
  const {
    number,
    amount,
    code = '05',
    posted,
    authorization: matched,
    state = 'matched',
    reason,
    outcome = 'exact',
    flags = [],
  } = row
  await client.query(
    `insert into network_item (file_id, number, record, transaction_code, arn, amount_piasters, currency, purchase_date, rule,
       confidence, outcome, flags, authorization_id, authorization_date, posted_id, state, reason, business_date)
     values (3, $1::integer, $1::integer, $2, lpad($1::integer::text, 23, '7'), $3, '818', '${DAY}', $4, $5, $6, $7, $8, '${DAY}', $9, $10, $11, '${DAY}')`,
    [
      number,
      code,
      amount,
      matched === undefined ? null : 'transaction-id',
      matched === undefined ? null : 100,
      outcome,
      flags,
      matched ?? null,
      posted ?? null,
      state,
      reason ?? null,
    ],
  )
}

async function due(client: Client, number: number, piasters: number): Promise<void> {
  await client.query(
    `insert into settlement_due (business_date, cycle, account, opening, added, instructed, closing) values ('${DAY}', 1, $1, 0, $2, $2, 0)`,
    [number, piasters],
  )
}

interface InstructionRow {
  readonly reference: string
  readonly outlet?: number
  readonly institution?: readonly [kind: string, number: number]
  readonly amount: number
  readonly direction: 'pay' | 'collect'
  readonly lines: readonly (readonly [account: number, piasters: number])[]
}

async function instruction(client: Client, row: InstructionRow): Promise<void> {
  const { reference, outlet, institution, amount, direction, lines } = row
  const { rows } = await client.query<{ id: string }>(
    `insert into settlement_instruction (business_date, cycle, end_to_end_id, uetr, kind, purpose, direction, bank, outlet_id,
       institution_kind, institution, bank_code, bank_bic, bank_name, our_account, party_name, party_bic, amount_piasters, value_date, state)
     values ('${DAY}', 1, $1, gen_random_uuid(), $2, $3, $4, ${BANK}, $5, $6, $7, 'TESTBANK', 'TESTEGCX', 'Test bank', 'OURS', 'Party', 'TESTEGCX', $8,
       '${VALUE_DATE}', 'settled') returning id`,
    [
      reference,
      outlet === undefined ? 'pacs.009' : 'pain.001',
      outlet === undefined ? 'net' : 'payout',
      direction,
      outlet ?? null,
      institution?.[0] ?? null,
      institution?.[1] ?? null,
      amount,
    ],
  )
  for (const [number, piasters] of lines) {
    await client.query(
      'insert into settlement_instruction_line (instruction_id, account, piasters) values ($1, $2, $3)',
      [rows[0]?.id, number, piasters],
    )
  }
}

export interface EntryRow {
  readonly number: number
  readonly amount: number
  /** Of our instruction; absent = the bank's own. */
  readonly reference?: string
  readonly kind?: number
  readonly state?: string
  readonly code?: string
  readonly returned?: string
  readonly suspense?: readonly [account: number, piasters: number]
  readonly note?: string
}

/** A booking of the bank's statement. */
export async function entry(client: Client, row: EntryRow): Promise<void> {
  const { number, amount, reference, code = 'PMNT/ICDT/DMCT', returned, suspense, note } = row
  const kind = row.kind ?? (suspense === undefined ? (amount < 0 ? 46 : 47) : null)
  await client.query(
    `insert into bank_entry (statement_id, number, entry, amount_piasters, status, booking_date, value_date, end_to_end_id, code,
       return_reason, state, rule, matched_instruction, kind, counter_account, suspense_piasters, suspense_account, note)
     values (1, $1::integer, $1::integer, $2, 'BOOK', '${VALUE_DATE}', '${VALUE_DATE}', $3, $4, $5, $6, $7,
       (select id from settlement_instruction where end_to_end_id = $3), $8, $9, $10, $11, $12)`,
    [
      number,
      amount,
      reference ?? null,
      code,
      returned ?? null,
      row.state ?? (suspense === undefined ? (reference === undefined ? 'known' : 'matched') : 'suspense'),
      returned === undefined ? 'end-to-end' : 'returned',
      kind,
      kind === null ? null : account(kind === 58 ? 8009 : 7007, kind === 58 ? 0 : BANK),
      suspense?.[1] ?? 0,
      suspense?.[0] ?? null,
      note ?? null,
    ],
  )
}

/** Brings the statement in line with its entries: an honest bank's, whatever it booked. */
export async function closeStatement(client: Client): Promise<void> {
  await client.query(
    `update bank_statement s set entries = e.n, credit_piasters = e.credits, debit_piasters = e.debits,
       closing_piasters = opening_piasters + e.credits - e.debits, ledger_piasters = opening_piasters + e.credits - e.debits
     from (select count(*) as n, coalesce(sum(amount_piasters) filter (where amount_piasters > 0), 0) as credits,
             coalesce(-sum(amount_piasters) filter (where amount_piasters < 0), 0) as debits from bank_entry where statement_id = 1) e
     where s.id = 1`,
  )
}
