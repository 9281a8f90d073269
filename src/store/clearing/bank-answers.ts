import type { Queryable } from '../access-pool.ts'

/** What a bank says of one payment, as it is kept; names are those of the columns. */
export interface AnswerRow {
  readonly number: number
  readonly answer: 'status' | 'return'
  readonly message_id?: string | undefined
  readonly payment_id?: string | undefined
  readonly end_to_end_id?: string | undefined
  readonly status?: string | undefined
  readonly reason_code?: string | undefined
  readonly reason?: string | undefined
  readonly amount_piasters?: string | undefined
  readonly reference?: string | undefined
  readonly matched_instruction?: number | undefined
  readonly outcome: string
}

/** Keeps answers of a file. */
export async function addAnswers(client: Queryable, bankFile: number, rows: readonly AnswerRow[]): Promise<void> {
  if (rows.length === 0) return
  await client.query(
    `insert into bank_answer (bank_file, number, answer, message_id, payment_id, end_to_end_id, status, reason_code, reason,
       amount_piasters, reference, matched_instruction, outcome)
     select $1, * from json_to_recordset($2) r(number integer, answer text, message_id text, payment_id text,
       end_to_end_id text, status text, reason_code text, reason text, amount_piasters bigint, reference text,
       matched_instruction bigint, outcome text)`,
    [bankFile, JSON.stringify(rows)],
  )
}

/** A change of an instruction by an answer. */
export interface InstructionChange {
  readonly id: number
  readonly state: 'accepted' | 'rejected'
  readonly reasonCode: string | undefined
  readonly reason: string | undefined
}

/**
 * Brings instructions into the states that a bank told. One that was rejected stops the payouts of its outlet until the bank data
 * are others.
 * @param source message, such as `pain.002 MSG-1`
 * @param reference of the postings that go with rejections
 */
export async function changeInstructions(
  client: Queryable,
  changes: readonly InstructionChange[],
  { source, reference }: { readonly source: string; readonly reference: string },
): Promise<void> {
  if (changes.length === 0) return
  const rows = changes.map(({ id, state, reasonCode, reason }) => ({
    i: id,
    s: state,
    c: reasonCode !== undefined && /^[A-Z0-9]{1,4}$/.test(reasonCode) ? reasonCode : null,
    r: reason?.slice(0, 500) ?? null,
  }))
  await client.query(
    `with told as (select * from json_to_recordset($1) r(i bigint, s text, c text, r text)),
     changed as (
       update settlement_instruction i set state = t.s, reason_code = coalesce(t.c, i.reason_code), reason = coalesce(t.r, i.reason)
       from told t where t.i = i.id and i.state <> t.s and i.state in ('prepared', 'released', 'sent', 'accepted')
       returning i.id, i.state, t.c, t.r, i.outlet_id, i.end_to_end_id, i.bank_code, i.party_account),
     suspended as (
       insert into payout_suspension (outlet_id, cause, end_to_end_id, bank_code, account, reason, actor)
       select distinct on (c.outlet_id) c.outlet_id, 'rejected', c.end_to_end_id, c.bank_code, c.party_account,
              'the bank rejected the payment ' || c.end_to_end_id || coalesce(' (' || c.c || ')', ''), 'bank'
       from changed c where c.state = 'rejected' and c.outlet_id is not null on conflict do nothing)
     insert into settlement_instruction_event (instruction_id, state, source, reason_code, reason, posting_reference)
     select id, state, $2, c, r, case when state = 'rejected' then $3 end from changed`,
    [JSON.stringify(rows), source.slice(0, 128), reference],
  )
}
