import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { keyOf } from '../src/authorization/message-key.ts'
import { businessDate, civilDate, formatDate } from '../src/calendar.ts'
import { ID_STEP, maskPan } from '../src/identifiers.ts'
import { panOf } from '../src/simulator/demo-world.ts'
import type { LoadRecord } from '../src/simulator/load-record.ts'
import type { MessageNumbers, MessageTemplate } from '../src/simulator/load-template.ts'
import { withClient } from '../src/store/database-location.ts'
import { type BenchWorld, CUTOVER_MINUTES } from './world.ts'

const sqlFile = path.join(path.dirname(fileURLToPath(import.meta.url)), 'baseline.sql')

/** Copies the world's database, so that both designs start from the same cards, and adds the baseline's function. */
export async function cloneForBaseline(world: BenchWorld): Promise<{ url: string; drop(): Promise<void> }> {
  const name = `${world.database}_baseline`
  const drop = () =>
    withClient(
      world.adminUrl,
      async (client) => void (await client.query(`drop database if exists ${name} with (force)`)),
    )
  await drop()
  await withClient(world.adminUrl, (client) =>
    client.query(`create database ${name} template ${world.database} strategy file_copy`),
  )
  const url = Object.assign(new URL(world.url), { pathname: `/${name}` }).href
  await withClient(url, async (client) => {
    await client.query(readFileSync(sqlFile, 'utf8'))
    const { rows } = await client.query<{ next_id: string }>('select max(next_id) as next_id from lane')
    const first = Math.ceil(Number(rows[0]?.next_id) / ID_STEP) * ID_STEP
    await client.query(`alter sequence baseline.id restart with ${first}`)
    await client.query(`select ensure_partitions($1::date, 3)`, [formatDate(businessDate(Date.now(), CUTOVER_MINUTES))])
    await client.query('vacuum analyze')
    await client.query('checkpoint')
  })
  return { url, drop }
}

const PARAMETERS = 26
export const authorizeText = `select baseline.authorize(${Array.from({ length: PARAMETERS }, (_, i) => `$${i + 1}`).join(', ')}) as code`

/** Makes the parameters of the baseline's call from what the load would send over the wire. */
export class BaselineRequests {
  readonly #panIndexOf: (pan: string) => string
  readonly #withShared: boolean

  constructor(panIndexOf: (pan: string) => string, withShared: boolean) {
    this.#panIndexOf = panIndexOf
    this.#withShared = withShared
  }

  /** The same request as the message `template` would carry with these numbers. */
  parameters(
    sequence: number,
    template: MessageTemplate,
    record: LoadRecord,
    numbers: MessageNumbers,
    originalMti: string | undefined,
  ): unknown[] {
    const { place, content, run, dialect } = template.source
    const nowMs = Date.now()
    const pan = panOf(record.household[sequence] as number)
    const stan = digits(sequence % 1_000_000, 6)
    const transmission = digits(numbers.transmission, 10)
    const { mti, processingCode, amountPiasters } = content
    const type = processingCode.slice(0, 2)
    const account = processingCode.slice(2, 4)
    const entitlementDate = civilDate(nowMs)
    const bread = account === '92'
    const text = `${pan}|${type}|${account}|${amountPiasters}|${place.acceptor}`
    const originalKey =
      originalMti === undefined
        ? null
        : keyOf(
            place.acquirer,
            place.terminal,
            digits(numbers.originalStan, 6),
            digits(numbers.originalTransmission, 10),
            originalMti,
          )
    return [
      kindOf(mti, type, account),
      Buffer.from(this.#panIndexOf(pan), 'latin1'),
      formatDate(businessDate(nowMs, CUTOVER_MINUTES)),
      formatDate(entitlementDate),
      new Date(nowMs),
      dialect,
      mti,
      uuid(keyOf(place.acquirer, place.terminal, stan, transmission, mti)),
      uuid(createHash('sha256').update(text).digest('binary').slice(0, 16)),
      place.acquirer,
      place.terminal,
      place.acceptor,
      stan,
      transmission,
      `${digits(run, 4)}${digits(sequence, 8)}`,
      maskPan(pan),
      type,
      account,
      place.mcc,
      amountPiasters,
      bread ? 1 : null,
      bread ? 1 : 4,
      bread ? 1 : 0,
      bread ? entitlementDate : Math.floor(entitlementDate / 100),
      originalKey === null ? null : uuid(originalKey),
      this.#withShared,
    ]
  }
}

function kindOf(mti: string, type: string, account: string): string {
  if (mti === '0400') return 'reversal'
  if (type === '31') return 'inquiry'
  if (account === '92' || account === '91') return 'draw'
  return mti === '0100' ? 'hold' : 'debit'
}

function digits(value: number, count: number): string {
  return String(value).padStart(count, '0')
}

function uuid(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('hex')
}
