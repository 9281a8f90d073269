import type { Rejection } from '../files/reject-report.ts'
import { int4Array, textArray } from './binary-arrays.ts'
import type { Client } from './connection.ts'

/** Notes that the load of a file begins, unless it has begun before. */
export async function beginFile(client: Client, hash: Buffer, name: string, actor: string): Promise<void> {
  await client.query(
    'insert into household_file (sha256, name, actor) values ($1, $2, $3) on conflict (sha256) do nothing',
    [hash, name.slice(0, 255), actor],
  )
}

/** When and by whom a file was loaded to its end; undefined when it was not. */
export async function findEnd(client: Client, hash: Buffer): Promise<{ at: Date; actor: string } | undefined> {
  const { rows } = await client.query<{ at: Date; actor: string }>(
    'select ended_at as at, actor from household_file where sha256 = $1 and ended_at is not null',
    [hash],
  )
  return rows[0]
}

/** How far each lane has come with a file. */
export async function readProgress(client: Client, hash: Buffer) {
  const { rows } = await client.query<{ lane: number; line: number; households: number }>(
    'select lane, line, households from household_file_lane where sha256 = $1',
    [hash],
  )
  return new Map(rows.map(({ lane, line, households }) => [lane, { line, households }]))
}

const RETOLD_PAGE = 10_000

/** Tells the rejections of an earlier call, whose rows are not looked at again. @returns how many rows they are */
export async function retellRejections(
  client: Client,
  hash: Buffer,
  onReject: (rejection: Rejection) => void,
): Promise<number> {
  const lines = new Set<number>()
  let after: [number, string] = [0, '']
  for (;;) {
    const { rows } = await client.query<Rejection>(
      `select line, field, reason from household_file_reject
       where sha256 = $1 and (line, field) > ($2::integer, $3) order by line, field limit $4`,
      [hash, ...after, RETOLD_PAGE],
    )
    for (const row of rows) {
      lines.add(row.line)
      onReject(row)
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < RETOLD_PAGE) return lines.size
    after = [last.line, last.field]
  }
}

/** Notes how far a lane has come, in the transaction that did it. */
export async function noteProgress(
  client: Client,
  hash: Buffer,
  done: { readonly lane: number; readonly line: number; readonly households: number },
  rejections: readonly Rejection[],
): Promise<void> {
  await client.query({
    name: 'bulk_progress',
    text: `insert into household_file_lane (sha256, lane, line, households) values ($1, $2, $3, $4)
             on conflict (sha256, lane) do update set line = excluded.line,
               households = household_file_lane.households + excluded.households`,
    values: [hash, done.lane, done.line, done.households],
  })
  if (rejections.length === 0) return
  await client.query({
    name: 'bulk_rejects',
    text: `insert into household_file_reject (sha256, line, field, reason)
             select $1, * from unnest($2::integer[], $3::text[], $4::text[])`,
    values: [
      hash,
      int4Array(rejections.map((one) => one.line)),
      textArray(rejections.map((one) => one.field)),
      textArray(rejections.map((one) => one.reason)),
    ],
  })
}
