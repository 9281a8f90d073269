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

/** Outcome of an answer that is not applied yet: the rest of its file may contradict it. */
export const WAITING = 'taken'

/** An answer that is about a payment or message of ours, as it waits for the end of its file. */
export interface WaitingAnswer {
  readonly number: number
  readonly answer: 'status' | 'return'
  readonly status: string
  /** Of a payment; undefined of an answer to a whole message or payment block. */
  readonly endToEndId: string | undefined
  /** Of our message. */
  readonly messageId: string
  readonly reasonCode: string | undefined
  readonly reason: string | undefined
}

/**
 * Gives up answers of a file to one payment that cannot all be true: rejected and not, or more comes back than was paid.
 * @returns how many
 */
export async function giveUpContradictions(client: Queryable, bankFile: number): Promise<number> {
  const { rowCount } = await client.query(
    `update bank_answer b set outcome = 'unexpected: the same file says otherwise of this payment'
     where b.bank_file = $1 and b.outcome = $2 and b.status is distinct from 'PART' and b.matched_instruction in (
       select a.matched_instruction from bank_answer a join settlement_instruction i on i.id = a.matched_instruction
       where a.bank_file = $1 and a.outcome = $2 and a.status is distinct from 'PART'
       group by a.matched_instruction, i.amount_piasters
       having bool_or(a.status = 'RJCT') and bool_or(a.status <> 'RJCT') or sum(a.amount_piasters) > i.amount_piasters)`,
    [bankFile, WAITING],
  )
  return rowCount ?? 0
}

/** Answers of a file that wait, behind one of them, in its order. */
export async function waitingAnswers(
  client: Queryable,
  bankFile: number,
  { after, limit }: { readonly after: number; readonly limit: number },
): Promise<WaitingAnswer[]> {
  const { rows } = await client.query<Record<string, string | null> & { number: number; answer: AnswerRow['answer'] }>(
    `select a.number, a.answer, a.status, i.end_to_end_id, a.reason_code, a.reason,
            coalesce(f.totals ->> 'messageId', a.payment_id, a.message_id) as message_id
     from bank_answer a
     left join settlement_instruction i on i.id = a.matched_instruction
     left join clearing_file f on f.id = i.file_id
     where a.bank_file = $1 and a.number > $2 and a.outcome = $3 order by a.number limit $4`,
    [bankFile, after, WAITING, limit],
  )
  return rows.map((row) => ({
    number: row.number,
    answer: row.answer,
    status: row.status ?? '',
    endToEndId: row.end_to_end_id ?? undefined,
    messageId: row.message_id ?? '',
    reasonCode: row.reason_code ?? undefined,
    reason: row.reason ?? undefined,
  }))
}

/** Says what came of answers of a file. */
export async function setOutcomes(
  client: Queryable,
  bankFile: number,
  outcomes: readonly { readonly number: number; readonly outcome: string }[],
): Promise<void> {
  if (outcomes.length === 0) return
  await client.query(
    `update bank_answer a set outcome = r.outcome from json_to_recordset($2) r(number integer, outcome text)
     where a.bank_file = $1 and a.number = r.number`,
    [bankFile, JSON.stringify(outcomes)],
  )
}
