import type { AccountNumber } from '../../ledger/accounts.ts'
import type { Queryable } from '../access-pool.ts'
import type { Client } from '../connection.ts'
import { requestAllPostings } from './postings.ts'
import { type InstructionLine, rejectionPostings } from './settlement-failure.ts'
import type { Instruction } from './settlement-instructions.ts'

/** Instructions that are rejected at once: what is known of each is in memory. */
const CHUNK = 1_000

/** What of an instruction a rejection needs. */
export type RejectedInstruction = Pick<Instruction, 'id' | 'endToEndId' | 'purpose' | 'bank'>

/** Why a bank rejects, and which message says so. */
export interface RejectionNews {
  readonly reasonCode?: string | undefined
  readonly reason?: string | undefined
  readonly source: string
}

/**
 * Rejects instructions that their bank has not done: posts what never left (49), and stops the payouts of their outlets. In the
 * transaction of the caller, who has locked them.
 */
export async function rejectInstructions(
  client: Client,
  instructions: readonly RejectedInstruction[],
  news: RejectionNews,
): Promise<void> {
  for (let from = 0; from < instructions.length; from += CHUNK) {
    const some = instructions.slice(from, from + CHUNK)
    const lines = await readLines(
      client,
      some.map(({ id }) => id),
    )
    const requests = some.map(({ id, endToEndId, purpose, bank }) => ({
      reference: referenceOf(endToEndId),
      requestedBy: 'settlement',
      postings: rejectionPostings({ purpose, lines: lines.get(id) ?? [] }, bank),
    }))
    await requestAllPostings(client, requests)
    await noteRejected(client, some, news)
  }
}

const referenceOf = (endToEndId: string) => `settlement-rejected:${endToEndId}`

async function noteRejected(
  client: Client,
  instructions: readonly RejectedInstruction[],
  { reasonCode, reason, source }: RejectionNews,
): Promise<void> {
  await client.query(
    `with given as (
       select * from unnest($1::bigint[], $2::text[]) with ordinality g(id, reference, at)
     ), rejected as (
       update settlement_instruction i set state = 'rejected', reason_code = coalesce($3, reason_code), reason = coalesce($4, reason)
       from given g where i.id = g.id
     ), noted as (
       insert into settlement_instruction_event (instruction_id, state, source, reason_code, reason, posting_reference)
       select id, 'rejected', $5, $3, $4, reference from given order by at
     )
     insert into payout_suspension (outlet_id, cause, end_to_end_id, bank_code, account, reason, actor)
     select i.outlet_id, 'rejected', i.end_to_end_id, i.bank_code, i.party_account, $6, left($5, 64)
     from given g join settlement_instruction i using (id) where i.outlet_id is not null order by g.at
     on conflict (outlet_id, cause) where ended_at is null do nothing`,
    [
      instructions.map(({ id }) => id),
      instructions.map(({ endToEndId }) => referenceOf(endToEndId)),
      reasonCode ?? null,
      reason?.slice(0, 500) ?? null,
      source,
      suspensionWords('rejected', { reasonCode, reason }),
    ],
  )
}

/** Why payouts of an outlet are stopped, as it is kept. */
export function suspensionWords(
  cause: 'returned' | 'rejected' | 'held',
  { reasonCode, reason }: Pick<RejectionNews, 'reasonCode' | 'reason'>,
): string {
  const words = [reasonCode, reason ?? `${cause} by the bank`].filter((word) => word !== undefined)
  return words.join(' ').slice(0, 500)
}

/** The accounts that instructions clear, by instruction. */
export async function readLines(client: Queryable, ids: readonly number[]): Promise<Map<number, InstructionLine[]>> {
  const { rows } = await client.query<{ id: string; account: string; piasters: string }>(
    `select instruction_id as id, account, piasters from settlement_instruction_line
     where instruction_id = any ($1) order by instruction_id, account`,
    [ids],
  )
  const lines = new Map<number, InstructionLine[]>()
  for (const { id, account, piasters } of rows) {
    const own = lines.get(Number(id)) ?? []
    own.push({ account: Number(account) as AccountNumber, piasters: BigInt(piasters) })
    lines.set(Number(id), own)
  }
  return lines
}
