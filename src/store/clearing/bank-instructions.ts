import type { AccountNumber } from '../../ledger/accounts.ts'
import type { Queryable } from '../access-pool.ts'
import type { InstructionLine, InstructionShape } from './settlement-failure.ts'
import type { InstructionKind } from './settlement-instructions.ts'

/** A message of ours that banks answer. */
export interface AnsweredMessage {
  readonly kind: InstructionKind
  /** MsgId of its file; undefined of an instruction that stands in none. */
  readonly messageId: string | undefined
}

/** An instruction as it stands when a bank says something about it. */
export interface InstructionRow extends AnsweredMessage {
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
  readonly kind: InstructionKind
  readonly message_id: string | null
  readonly end_to_end_id: string
  readonly bank: number
  readonly direction: 'pay' | 'collect'
  readonly purpose: InstructionShape['purpose']
  readonly amount_piasters: string
  readonly state: string
  readonly value_date: string
  readonly lines: { account: number; piasters: string }[] | null
}

const columns = `i.id, i.kind, (select f.totals ->> 'messageId' from clearing_file f where f.id = i.file_id) as message_id, i.end_to_end_id, i.bank, i.direction, i.purpose, i.amount_piasters, i.state, i.value_date,
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
    kind: row.kind,
    messageId: row.message_id ?? undefined,
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

/**
 * By instruction; what is not in it had nothing booked at the bank. Entries are looked up by their instruction alone
 * (`+ 0`): while a large statement is being taken nothing knows how many it has, and a look at all of them for each
 * would never end.
 */
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
             exists (select from bank_answer a where a.matched_instruction = i.id and a.answer = 'return'
                       and a.outcome not like 'unexpected%') as announced
           from unnest($2::bigint[]) i(id)
           left join (bank_entry e join bank_statement s on s.id = e.statement_id + 0 and s.report = 'statement')
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

/** A message of ours whose payments a bank books as one, signed as our account there sees it. */
export interface BatchSum {
  readonly messageId: string
  /** Of its payments, without what was rejected or booked one by one; never zero. */
  readonly piasters: bigint
  /** What the bank booked for it as one up to now. */
  readonly bookedPiasters: bigint
}

/** Payments of our messages that no entry of a bank names by themselves. */
const members = `
  select f.totals ->> 'messageId' as message_id, i.id, i.bank, i.state, i.direction,
         case i.direction when 'pay' then -i.amount_piasters else i.amount_piasters end as piasters
  from clearing_file f join settlement_instruction i on i.file_id = f.id
  where f.direction = 'out' and f.type in ('PAY', 'NET')
    and i.state in ('prepared', 'released', 'sent', 'accepted', 'settled')
    and not exists (select from bank_entry e where e.matched_instruction = i.id)`

const bookedAsOne = `
  select s.bank, e.message_id, sum(e.amount_piasters) as booked, sum(e.amount_piasters - e.suspense_piasters) as through
  from bank_entry e join bank_statement s on s.id = e.statement_id and s.report = 'statement'
  where e.rule = 'batch-booking'`

/** The messages of ours among some ids, as far as a bank may book them as one. */
export async function batchSums(client: Queryable, bank: number, messageIds: readonly string[]): Promise<BatchSum[]> {
  if (messageIds.length === 0) return []
  const { rows } = await client.query<{ message_id: string; piasters: string; booked: string }>(
    `with member as (${members} and f.totals ->> 'messageId' = any ($2) and i.bank = $1),
       booked as (${bookedAsOne} and e.message_id = any ($2) and s.bank = $1 group by 1, 2)
     select m.message_id, sum(m.piasters) as piasters, coalesce(max(b.booked), 0) as booked
     from member m left join booked b on b.message_id = m.message_id group by 1 having sum(m.piasters) <> 0`,
    [bank, messageIds],
  )
  return rows.map((row) => ({
    messageId: row.message_id,
    piasters: BigInt(row.piasters),
    bookedPiasters: BigInt(row.booked),
  }))
}

/** The bank of which a message of ours asks, and what it is; undefined when it is none of ours. */
export async function findMessage(
  client: Queryable,
  messageId: string,
): Promise<(AnsweredMessage & { readonly bank: number }) | undefined> {
  const { rows } = await client.query<{ bank: number; kind: InstructionKind }>(
    `select i.bank, i.kind from clearing_file f join settlement_instruction i on i.file_id = f.id
     where f.direction = 'out' and f.type in ('PAY', 'NET') and f.totals ->> 'messageId' = $1 limit 1`,
    [messageId],
  )
  return rows[0] === undefined ? undefined : { ...rows[0], messageId }
}

/**
 * Notes at instructions what a statement booked for them: settled once all of an amount is booked, returned once
 * something came back, under way again when the bank took a booking back. In the transaction that ends the statement.
 * One of which the bank said that it comes back (pacs.004) stays returned while the statement shows only that it left.
 * What came back is an event of its own, by whose amount a later run pays again.
 */
export async function noteBookedInstructions(client: Queryable, statement: number, source: string): Promise<void> {
  await client.query(
    `with named as (
       select e.matched_instruction as id,
              coalesce(sum(e.amount_piasters) filter (where e.rule is distinct from 'returned'), 0) as booked_here,
              coalesce(sum(e.amount_piasters - e.suspense_piasters) filter (where e.rule = 'returned'), 0) as returned_here,
              max(e.return_reason) as reason
       from bank_entry e
       where e.statement_id = $1 and e.matched_instruction is not null and e.status = 'BOOK' group by 1),
     sums as (
       select n.*, i.state as before, case i.direction when 'pay' then -i.amount_piasters else i.amount_piasters end as whole,
              a.booked, a.returned
       from named n join settlement_instruction i on i.id = n.id
       cross join lateral (
         select coalesce(sum(e.amount_piasters) filter (where e.rule is distinct from 'returned'), 0) as booked,
                coalesce(sum(e.amount_piasters - e.suspense_piasters) filter (where e.rule = 'returned'), 0) as returned
         from bank_entry e join bank_statement s on s.id = e.statement_id + 0 and s.report = 'statement' and s.bank = i.bank
         where e.matched_instruction = i.id and e.status = 'BOOK') a
       where i.state not in ('rejected', 'cancelled')),
     batch as (
       ${bookedAsOne} and (s.bank, e.message_id) in (
         select t.bank, b.message_id from bank_entry b join bank_statement t on t.id = b.statement_id
         where b.statement_id = $1 and b.rule = 'batch-booking')
       group by 1, 2),
     member as (
       select m.*, abs(b.through) >= abs(sum(m.piasters) over (partition by m.bank, m.message_id)) as whole_is_booked
       from (${members}) m join batch b on b.bank = m.bank and b.message_id = m.message_id),
     judged as (
       select id, before, booked_here, returned_here,
              case when reason ~ '^[A-Z0-9]{1,4}$' then reason end as reason,
              case when returned > 0 then 'returned'
                when booked * sign(whole) >= abs(whole) then 'settled'
                when before in ('settled', 'returned') then 'accepted' else before end as state
       from sums
       union all
       select id, state, case when whole_is_booked then piasters else -piasters end, 0, null,
              case when whole_is_booked then 'settled' else 'accepted' end
       from member where whole_is_booked <> (state = 'settled')),
     changed as (
       update settlement_instruction i set state = j.state,
         reason_code = case when j.state = 'returned' then coalesce(j.reason, i.reason_code) else i.reason_code end
       from judged j where j.id = i.id and i.state <> j.state and not (i.state = 'returned' and j.state = 'settled')
       returning i.id, i.state, i.reason_code, i.outlet_id, i.end_to_end_id, i.bank_code, i.party_account),
     -- Of a payment that a run has taken up already more came back: that waits for a run in its turn.
     more as (
       update settlement_instruction i set restored_date = null, restored_cycle = null
       from judged j where j.id = i.id and j.returned_here > 0 and i.state = 'returned' and j.state = 'returned'
         and i.restored_date is not null),
     suspended as (
       insert into payout_suspension (outlet_id, cause, end_to_end_id, bank_code, account, reason, actor)
       select distinct on (c.outlet_id) c.outlet_id, 'returned', c.end_to_end_id, c.bank_code, c.party_account,
              'the payment ' || c.end_to_end_id || ' came back' || coalesce(' (' || c.reason_code || ')', ''), 'bank'
       from changed c where c.state = 'returned' and c.outlet_id is not null on conflict do nothing)
     insert into settlement_instruction_event (instruction_id, state, source, reason_code, posting_reference, piasters)
     select id, state, $2, reason, 'bank:' || $1, piasters
     from (
       select id, 1 as place, case when state = 'returned' then 'settled' else state end as state, null as reason,
              booked_here as piasters
       from judged where booked_here <> 0
       union all
       select id, 2, 'returned', reason, returned_here from judged where returned_here <> 0) told
     order by id, place`,
    [statement, source],
  )
}
