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
