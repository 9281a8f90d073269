import type { Client } from './connection.ts'

/** Leave to draw without verification, as it was given. */
export interface GivenException {
  readonly id: number
  /** Number of the programme; 0 = all. */
  readonly programme: number
  /** yyyymmdd. */
  readonly from: number
  /** yyyymmdd, the last day. */
  readonly until: number
  readonly reason: string
  readonly givenBy: string
  readonly endedAtMs: number | undefined
  readonly endedBy: string | undefined
}

const LIMIT = 1_000

/** The exceptions that a household was given, the newest first. */
export async function exceptionsOf(client: Client, householdId: number): Promise<GivenException[]> {
  const { rows } = await client.query<{
    id: string
    programme: number
    from_date: number
    until_date: number
    reason: string
    given_by: string
    ended_at: Date | null
    ended_by: string | null
  }>(
    `select id, programme, from_date, until_date, reason, given_by, ended_at, ended_by from verification_exception
     where household_id = $1 order by id desc limit ${LIMIT}`,
    [householdId],
  )
  return rows.map((row) => ({
    id: Number(row.id),
    programme: row.programme,
    from: row.from_date,
    until: row.until_date,
    reason: row.reason,
    givenBy: row.given_by,
    endedAtMs: row.ended_at?.getTime(),
    endedBy: row.ended_by ?? undefined,
  }))
}
