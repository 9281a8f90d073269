import type { AccountNumber } from '../../ledger/accounts.ts'
import type { Queryable } from '../access-pool.ts'
import type { InstructionLine, InstructionShape } from './settlement-failure.ts'

/** An instruction as it stands when a bank says something about it. */
export interface InstructionRow {
  readonly id: number
  readonly endToEndId: string
  readonly bank: number
  readonly direction: 'pay' | 'collect'
  readonly purpose: InstructionShape['purpose']
  readonly amountPiasters: bigint
  readonly state: string
  readonly valueDate: string
  readonly lines: readonly InstructionLine[]
}

interface Row {
  readonly id: string
  readonly end_to_end_id: string
  readonly bank: number
  readonly direction: 'pay' | 'collect'
  readonly purpose: InstructionShape['purpose']
  readonly amount_piasters: string
  readonly state: string
  readonly value_date: string
  readonly lines: { account: number; piasters: string }[] | null
}

const columns = `i.id, i.end_to_end_id, i.bank, i.direction, i.purpose, i.amount_piasters, i.state, i.value_date,
  (select jsonb_agg(jsonb_build_object('account', l.account, 'piasters', l.piasters::text) order by l.account)
   from settlement_instruction_line l where l.instruction_id = i.id) as lines`

/** The instructions of some end-to-end ids; those that are none of ours are not among them. */
export async function instructionsByEndToEnd(client: Queryable, ids: readonly string[]): Promise<InstructionRow[]> {
  if (ids.length === 0) return []
  const { rows } = await client.query<Row>({
    name: 'bank-instructions',
    text: `select ${columns} from settlement_instruction i where i.end_to_end_id = any ($1)`,
    values: [ids],
  })
  return rows.map(instructionOf)
}

function instructionOf(row: Row): InstructionRow {
  return {
    id: Number(row.id),
    endToEndId: row.end_to_end_id,
    bank: row.bank,
    direction: row.direction,
    purpose: row.purpose,
    amountPiasters: BigInt(row.amount_piasters),
    state: row.state,
    valueDate: row.value_date,
    lines: (row.lines ?? []).map(({ account, piasters }) => ({
      account: account as AccountNumber,
      piasters: BigInt(piasters),
    })),
  }
}

/** End-to-end ids by the bank's own references, as its answers told them. */
export async function endToEndByReference(
  client: Queryable,
  references: readonly string[],
): Promise<Map<string, string>> {
  if (references.length === 0) return new Map()
  const { rows } = await client.query<{ reference: string; end_to_end_id: string }>({
    name: 'bank-references',
    text: `select distinct on (a.reference) a.reference, a.end_to_end_id from bank_answer a
           where a.reference = any ($1) and a.answer = 'status' and a.end_to_end_id is not null and a.matched_instruction is not null
           order by a.reference, a.bank_file desc`,
    values: [references],
  })
  return new Map(rows.map((row) => [row.reference, row.end_to_end_id]))
}

/** What a bank booked for instructions up to now. */
export interface BookedSums {
  readonly bookedPiasters: bigint
  readonly returnedPiasters: bigint
  readonly returnAnnounced: boolean
}

/** By instruction; what is not in it had nothing booked at the bank. */
export async function bookedOf(
  client: Queryable,
  bank: number,
  ids: readonly number[],
): Promise<Map<number, BookedSums>> {
  if (ids.length === 0) return new Map()
  const { rows } = await client.query<{ id: string; booked: string; returned: string; announced: boolean }>({
    name: 'bank-booked',
    text: `select i.id, coalesce(sum(e.amount_piasters) filter (where e.rule is distinct from 'returned'), 0) as booked,
             coalesce(sum(e.amount_piasters) filter (where e.rule = 'returned'), 0) as returned,
             exists (select from bank_answer a where a.matched_instruction = i.id and a.answer = 'return') as announced
           from unnest($2::bigint[]) i(id)
           left join (bank_entry e join bank_statement s on s.id = e.statement_id and s.report = 'statement')
             on e.matched_instruction = i.id and s.bank = $1 and e.status = 'BOOK'
           group by i.id`,
    values: [bank, ids],
  })
  return new Map(
    rows.map((row) => [
      Number(row.id),
      {
        bookedPiasters: BigInt(row.booked),
        returnedPiasters: BigInt(row.returned),
        returnAnnounced: row.announced,
      },
    ]),
  )
}

/**
 * The sums of messages of ours at a bank, signed as our account there sees them, without what was rejected or booked one by
 * one. A message that the bank has booked is not among them.
 */
export async function batchSums(
  client: Queryable,
  bank: number,
  messageIds: readonly string[],
): Promise<Map<string, bigint>> {
  if (messageIds.length === 0) return new Map()
  const { rows } = await client.query<{ message_id: string; piasters: string }>(
    `select f.totals ->> 'messageId' as message_id,
            sum(case i.direction when 'pay' then -i.amount_piasters else i.amount_piasters end) as piasters
     from clearing_file f join settlement_instruction i on i.file_id = f.id
     where f.direction = 'out' and f.type in ('PAY', 'NET') and f.totals ->> 'messageId' = any ($2) and i.bank = $1
       and i.state in ('prepared', 'released', 'sent', 'accepted')
       and not exists (select from bank_entry e where e.matched_instruction = i.id and e.rule in ('end-to-end', 'our-reference'))
       and not exists (select from bank_entry e join bank_statement s on s.id = e.statement_id
                       where s.bank = $1 and s.state in ('reading', 'stored') and e.rule = 'batch-booking'
                         and e.message_id = f.totals ->> 'messageId')
     group by 1`,
    [bank, messageIds],
  )
  return new Map(rows.map((row) => [row.message_id, BigInt(row.piasters)]))
}

/**
 * Notes at instructions what a statement booked for them: settled once all of an amount is booked, returned once all of it
 * came back, under way again when the bank took a booking back. In the transaction that ends the statement. One of which the
 * bank said that it comes back (pacs.004) stays returned while the statement shows only that it left.
 */
export async function noteBookedInstructions(client: Queryable, statement: number, source: string): Promise<void> {
  await client.query(
    `with touched as (
       select distinct e.matched_instruction as id from bank_entry e
       where e.statement_id = $1 and e.matched_instruction is not null and e.status = 'BOOK'
       union
       select i.id from bank_entry e join clearing_file f on f.totals ->> 'messageId' = e.message_id and f.direction = 'out'
       join settlement_instruction i on i.file_id = f.id
       where e.statement_id = $1 and e.rule = 'batch-booking' and i.state in ('prepared', 'released', 'sent', 'accepted')
         and abs(e.amount_piasters - e.suspense_piasters) >= (
           select abs(sum(case j.direction when 'pay' then -j.amount_piasters else j.amount_piasters end))
           from settlement_instruction j where j.file_id = f.id and j.state in ('prepared', 'released', 'sent', 'accepted'))),
     sums as (
       select t.id, count(e.number) as bookings,
              coalesce(sum(e.amount_piasters) filter (where e.rule is distinct from 'returned'), 0) as booked,
              coalesce(sum(e.amount_piasters) filter (where e.rule = 'returned'), 0) as returned,
              max(e.return_reason) as reason,
              coalesce(sum(e.amount_piasters) filter (where e.statement_id = $1), 0) as here
       from touched t join settlement_instruction i on i.id = t.id
       left join (bank_entry e join bank_statement s on s.id = e.statement_id and s.report = 'statement')
         on e.matched_instruction = i.id and s.bank = i.bank and e.status = 'BOOK'
       group by t.id),
     judged as (
       select i.id, i.state as before,
              case when s.bookings > 0 then s.here when i.direction = 'pay' then -i.amount_piasters else i.amount_piasters end as here,
              case when s.reason ~ '^[A-Z0-9]{1,4}$' then s.reason end as reason,
              case when s.returned >= i.amount_piasters then 'returned'
                when s.bookings = 0 or (case i.direction when 'pay' then -s.booked else s.booked end) >= i.amount_piasters then 'settled'
                when i.state in ('settled', 'returned') then 'accepted' else i.state end as state
       from sums s join settlement_instruction i on i.id = s.id where i.state not in ('rejected', 'cancelled')),
     changed as (
       update settlement_instruction i set state = j.state,
         reason_code = case when j.state = 'returned' then coalesce(j.reason, i.reason_code) else i.reason_code end
       from judged j where j.id = i.id and i.state <> j.state and not (i.state = 'returned' and j.state = 'settled')
       returning i.id, i.state, i.reason_code, i.outlet_id, i.end_to_end_id, i.bank_code, i.party_account),
     suspended as (
       insert into payout_suspension (outlet_id, cause, end_to_end_id, bank_code, account, reason, actor)
       select distinct on (c.outlet_id) c.outlet_id, 'returned', c.end_to_end_id, c.bank_code, c.party_account,
              'the payment ' || c.end_to_end_id || ' came back' || coalesce(' (' || c.reason_code || ')', ''), 'bank'
       from changed c where c.state = 'returned' and c.outlet_id is not null on conflict do nothing)
     insert into settlement_instruction_event (instruction_id, state, source, reason_code, posting_reference, piasters)
     select id, state, $2, case when state = 'returned' then reason end, 'bank:' || $1, here from judged`,
    [statement, source],
  )
}
