import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Test } from 'tap'
import type { AuthorizationRequest } from '../../src/authorization/request.ts'
import { businessDate, type CivilDate, civilDate } from '../../src/calendar.ts'
import { closeDayStep } from '../../src/clearing/day/close-day-step.ts'
import { runDays } from '../../src/clearing/day/machine.ts'
import type { IncomingPolicy } from '../../src/clearing/incoming/judge.ts'
import type { ReceiveContext } from '../../src/clearing/incoming/receive-context.ts'
import { shippedTolerances } from '../../src/clearing/incoming/tolerance.ts'
import { balanceStep } from '../../src/clearing/outgoing/balance-step.ts'
import { contentOf } from '../../src/clearing/outgoing/file-content.ts'
import { viewFile } from '../../src/clearing/outgoing/file-view.ts'
import { selectStep } from '../../src/clearing/outgoing/select-step.ts'
import { writeStep } from '../../src/clearing/outgoing/write-step.ts'
import { panOf } from '../../src/simulator/demo-world.ts'
import { type NetworkTransaction, networkFileBytes, type TerminalRecord } from '../../src/simulator/network-clearing.ts'
import { askCutover } from '../../src/store/clearing/business-day-ask.ts'
import { listFiles } from '../../src/store/clearing/files.ts'
import { connect } from '../../src/store/connection.ts'
import type { CheckResult } from '../../src/store/verify.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import type { Writer } from '../../src/writer/writer.ts'
import { panProtectionOf } from '../support/pan-keys.ts'
import { ask, purchaseOf, writerWorld } from '../support/writer.ts'
import { plainRecords } from './independent-reader.ts'

const CUTOVER_MINUTES = 1_350
export const BIN = '400000'
const pans = panProtectionOf('writer tests')
const policy: IncomingPolicy = {
  tolerances: shippedTolerances(),
  lateAfterDays: 10,
  forcePostMaxPiasters: 50_000,
  overTolerance: 'exception',
}

/** A world with a writer, a folder, and terminals that keep what they were answered. */
export async function clearingWorld(test: Test) {
  const world = await writerWorld(test, { households: 30, laneCount: 2, beforeCutover: true })
  const refusals: string[] = []
  const writer = await world.start({ observer: { batchRefused: (_lane, _seq, _size, code) => refusals.push(code) } })
  const client = await connect({ url: world.url, name: 'test', role: 'mizan_app' })
  const folder = mkdtempSync(path.join(os.tmpdir(), 'mizan-network-'))
  test.teardown(async () => {
    await client.end()
    rmSync(folder, { recursive: true, force: true })
  })
  const today = businessDate(world.clock.now(), CUTOVER_MINUTES)
  const context: ReceiveContext = {
    client,
    policy,
    today,
    processingBin: BIN,
    isProduction: false,
    batchItems: 950,
    actor: 'test',
    stallMs: 20_000,
    panIndexOf: (pan) => pans.index(pan),
  }
  let fileId = 0
  const write = (
    transactions: readonly NetworkTransaction[],
    overrides: { fileId?: number; date?: CivilDate; processingBin?: string } = {},
  ) => {
    const number = overrides.fileId ?? ++fileId
    const file = path.join(folder, `network-${number}-${Math.random()}.ctf`)
    const bytes = networkFileBytes({ processingBin: BIN, date: today, fileId: number, transactions, ...overrides })
    writeFileSync(file, Buffer.concat([...bytes]))
    return file
  }
  return { ...world, writer, refusals, client, context, today, write, folder }
}

let lastTransaction = 0

/** A transaction over the card scheme's rails, and what its terminal knows of it. */
export async function scheme(
  writer: Writer,
  householdId: number,
  nowMs: number,
  overrides: { mti?: string; type?: '00' | '01' | '20'; piasters?: number; mcc?: string } = {},
): Promise<TerminalRecord & { readonly request: AuthorizationRequest }> {
  const { mti = '0100', type = '00', piasters = 10_000, mcc = type === '01' ? '6011' : '5999' } = overrides
  lastTransaction++
  const transactionId = `4${String(lastTransaction).padStart(14, '0')}`
  const request = purchaseOf(householdId, nowMs, {
    mti,
    messageClass: mti === '0100' ? 'authorization' : 'financial',
    schemeRail: true,
    link: 'visa',
    transactionType: type,
    amountPiasters: piasters,
    networkReference: transactionId,
    rrn: String(600_000_000_000 + lastTransaction),
    terminal: 'NET00001',
    acceptor: 'NETWORKSHOP0001',
    mcc,
    acquirer: '476173',
  })
  const { result, fields } = await ask(writer, request)
  if (result !== 'approved') throw new Error(`the terminal was answered ${result}`)
  return {
    pan: panOf(householdId),
    type: type === '01' ? 'cash' : type === '20' ? 'refund' : 'purchase',
    amountPiasters: piasters,
    date: civilDate(nowMs),
    approvalCode: fields[38] ?? '',
    transactionId,
    rrn: request.rrn,
    terminal: request.terminal,
    acceptor: request.acceptor,
    mcc,
    acquirer: '476173',
    request,
  }
}

export type World = Awaited<ReturnType<typeof clearingWorld>>

export async function itemsOf({ client }: World, fileId: number) {
  const { rows } = await client.query<{
    number: number
    transaction_code: string
    state: string
    outcome: string | null
    rule: string | null
    reason: string | null
    detail: string | null
    flags: string[]
    posted_id: string | null
  }>('select * from network_item where file_id = $1 order by number', [fileId])
  return rows
}

export async function moneyOf({ client }: World, householdId: number) {
  const { rows } = await client.query<{ posted: string; held: string }>(
    'select posted, held from balance where household_id = $1 and account = $2',
    [householdId, 6001 * 1e11 + householdId],
  )
  return { posted: Number(rows[0]?.posted), held: Number(rows[0]?.held) }
}

/** Fields of a part 0 with another amount. */
export const money = (piasters: number) => ({ destinationAmount: String(piasters), sourceAmount: String(piasters) })
export const inWords = (rows: Awaited<ReturnType<typeof itemsOf>>) =>
  rows.map(({ transaction_code: code, state, outcome, rule, reason }) =>
    [code, state, outcome, rule, reason].filter(Boolean).join(' '),
  )

/** Ends business days with the steps that make their files, and reads the card scheme's one. */
export function cutovers({ url, client, clock, folder }: World) {
  const options = {
    processingBin: BIN,
    centre: 'MIZAN',
    batchItems: 3,
    testFiles: true,
    railLinks: ['visa'],
    protection: pans,
  }
  const log = createLogger({ level: 'silent' })
  const common = { url, folder, log, nowMs: () => clock.now(), signal: new AbortController().signal }
  const steps = [closeDayStep(), selectStep(options), writeStep(options), balanceStep()]
  const fileOf = async (businessDate: CivilDate) => {
    const [file] = await listFiles(client, { businessDate, direction: 'out', types: ['CTF'] })
    if (file === undefined) throw new Error(`no file of ${businessDate}`)
    return file
  }
  const bytesOf = async (date: CivilDate) => readFileSync(path.join(folder, (await fileOf(date)).path))
  return {
    async close(date: CivilDate) {
      await askCutover(client, { date, byClock: date, by: 'test' })
      const run = await runDays({ ...common, steps })
      if (run.state !== 'closed') throw new Error(`${run.state}: ${run.stopped?.words}`)
      return plainRecords(await bytesOf(date))
    },
    async view(date: CivilDate) {
      const file = await fileOf(date)
      return viewFile(contentOf(file, { client, folder, options }), file, { from: 1, limit: 1_000 })
    },
    async sameAgain(businessDate: CivilDate) {
      const before = await bytesOf(businessDate)
      rmSync(path.join(folder, (await fileOf(businessDate)).path))
      for (const step of steps.slice(1)) await step.run({ ...common, businessDate, progress: () => undefined })
      return before.equals(await bytesOf(businessDate))
    },
  }
}

/** Names of the checks that fail. */
export const failed = (checks: readonly CheckResult[]) => checks.filter(({ ok }) => !ok).map(({ name }) => name)
