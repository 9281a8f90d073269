import type { AccountNumber } from '../../ledger/accounts.ts'
import { moneyAccount } from '../../ledger/accounts.ts'
import type { Queryable } from '../access-pool.ts'
import type { Posting } from './postings.ts'
import { keyOf, type RunKey } from './settlement-runs.ts'

/**
 * The postings of a run, in an order that is always the same: payables (40, 41), what is held back (42) and released
 * (43), what is instructed (44, 45).
 */
export async function readRunPostings(client: Queryable, key: RunKey): Promise<Posting[]> {
  return [
    ...(await payablePostings(client, key)),
    ...(await holdbackPostings(client, key)),
    ...(await releasePostings(client, key)),
    ...(await instructedPostings(client, key)),
  ]
}

async function payablePostings(client: Queryable, key: RunKey): Promise<Posting[]> {
  const { rows } = await client.query<{ outlet_id: string; programme: number; piasters: string }>(
    `select outlet_id, programme, sum(payable_piasters) as piasters from settlement_payable
     where business_date = $1 and cycle = $2 group by 1, 2 having sum(payable_piasters) <> 0 order by 1, 2`,
    keyOf(key),
  )
  return rows.map(({ outlet_id, programme, piasters }) => {
    const amount = Number(piasters)
    const funds = moneyAccount('subsidyFunds', programme)
    const payable = moneyAccount('subsidyPayable', Number(outlet_id))
    return amount > 0
      ? { kind: 'subsidyPayable', debit: funds, credit: payable, amountPiasters: amount }
      : { kind: 'subsidyPayableReversal', debit: payable, credit: funds, amountPiasters: -amount }
  })
}

async function holdbackPostings(client: Queryable, key: RunKey): Promise<Posting[]> {
  const { rows } = await client.query<{ outlet_id: string; purchases_piasters: string; subsidy_piasters: string }>(
    `select outlet_id, purchases_piasters, subsidy_piasters from settlement_holdback
     where business_date = $1 and cycle = $2 order by outlet_id`,
    keyOf(key),
  )
  return rows.flatMap((row): Posting[] => {
    const outlet = Number(row.outlet_id)
    const credit = moneyAccount('holdback', outlet)
    const parts = [
      { debit: moneyAccount('outletPayable', outlet), amountPiasters: Number(row.purchases_piasters) },
      { debit: moneyAccount('subsidyPayable', outlet), amountPiasters: Number(row.subsidy_piasters) },
    ]
    return parts
      .filter(({ amountPiasters }) => amountPiasters > 0)
      .map((part) => ({ kind: 'holdback', credit, ...part }))
  })
}

async function releasePostings(client: Queryable, key: RunKey): Promise<Posting[]> {
  const { rows } = await client.query<{ outlet_id: string; piasters: string }>(
    `select outlet_id, sum(purchases_piasters + subsidy_piasters) as piasters from settlement_holdback
     where released_date = $1 and released_cycle = $2 group by 1 order by 1`,
    keyOf(key),
  )
  return rows.map(({ outlet_id, piasters }) => ({
    kind: 'holdbackRelease',
    debit: moneyAccount('holdback', Number(outlet_id)),
    credit: moneyAccount('subsidyPayable', Number(outlet_id)),
    amountPiasters: Number(piasters),
  }))
}

async function instructedPostings(client: Queryable, key: RunKey): Promise<Posting[]> {
  const { rows } = await client.query<{ account: string; piasters: string; bank: number }>(
    `select l.account, l.piasters, i.bank from settlement_instruction i
     join settlement_instruction_line l on l.instruction_id = i.id
     where i.business_date = $1 and i.cycle = $2 order by i.end_to_end_id, l.account`,
    keyOf(key),
  )
  return rows.map(({ account, piasters, bank }) => instructed(Number(account) as AccountNumber, Number(piasters), bank))
}

/** What is to be paid goes from its account into transit at the bank (44), what is to be collected out of it (45). */
function instructed(account: AccountNumber, piasters: number, bank: number): Posting {
  const transit = moneyAccount('settlementTransit', bank)
  return piasters > 0
    ? { kind: 'settlementInstructed', debit: account, credit: transit, amountPiasters: piasters }
    : { kind: 'collectionInstructed', debit: transit, credit: account, amountPiasters: -piasters }
}
