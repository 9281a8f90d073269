import { execFile, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type CivilDate, civilDate } from '../../src/calendar.ts'
import {
  type NetworkTransaction,
  networkFee,
  networkFileBytes,
  presentmentOf,
} from '../../src/simulator/network-clearing.ts'
import { verifyLedger } from '../../src/store/verify.ts'
import { startTestSwitch } from '../support/switch.ts'
import { failed } from './network-world.ts'

const cli = path.resolve(import.meta.dirname, '..', '..', 'src', 'cli.ts')
const HOUSEHOLDS = 400
const ITEMS = 6_000
/** Of them reversals of the item 40 before, fees, and items under a reference that came before. */
const [REVERSAL_EVERY, FEE_EVERY, DUPLICATE_EVERY] = [500, 333, 75]
/** Shares of the file at which the program is killed, in thousandths. */
const KILLED_AT = [0, 80, 81, 300, 500, 501, 750, 930, 999]
const WAIT_MS = 120_000

const world = await startTestSwitch(t, { households: HOUSEHOLDS, config: { log: { level: 'silent' } } })
const { client, databaseUrl, clock, varDir } = world
const date = civilDate(clock.now())
const env = {
  PATH: process.env.PATH,
  DATABASE_URL: databaseUrl,
  MIZAN_MASTER_KEY: 'a5'.repeat(32),
  MIZAN_VAR: varDir,
}
const args = [cli, 'clearing', 'receive', '--json', '--config', path.join(path.dirname(varDir), 'config.json')]
const homes = world.world.households.filter((one) => one.case === undefined)
const inbox = path.join(varDir, 'clearing', 'in')

/** A sale without an authorization, which is posted by force. */
function sale(number: number): NetworkTransaction {
  const { card } = homes[number % homes.length] ?? world.household()
  return presentmentOf({
    pan: card.pan,
    type: 'purchase',
    amountPiasters: 100 + (number % 900),
    date,
    approvalCode: '',
    transactionId: '',
    rrn: String(number),
    terminal: 'NET00001',
    acceptor: 'NETWORKSHOP0001',
    mcc: '5999',
    acquirer: '476173',
  })
}

function transactionOf(number: number): { readonly state: string; readonly transaction: NetworkTransaction } {
  if (number % FEE_EVERY === 0) return { state: 'matched', transaction: networkFee('10', number, '0150') }
  if (number > 40 && number % REVERSAL_EVERY === 0) {
    return { state: 'matched', transaction: { ...sale(number - 40), code: '25' } }
  }
  if (number % DUPLICATE_EVERY === 0) return { state: 'duplicate', transaction: sale(number - 1) }
  return { state: 'forced', transaction: sale(number) }
}

async function registered(): Promise<number> {
  const { rows } = await client.query<{ items: number }>('select count(*)::integer as items from network_item')
  return rows[0]?.items ?? 0
}

function leave(sequence: number, transactions: readonly NetworkTransaction[], fileDate: CivilDate = date): void {
  mkdirSync(inbox, { recursive: true })
  const file = path.join(inbox, `network-${sequence}.ctf`)
  const bytes = networkFileBytes({ processingBin: '400000', date: fileDate, fileId: sequence, transactions })
  writeFileSync(`${file}.part`, Buffer.concat([...bytes]))
  renameSync(`${file}.part`, file)
}

/** Runs `mizan clearing receive`, and kills it where so many items are registered. @returns whether it was killed */
async function receiveUntil(items: number): Promise<boolean> {
  const child = spawn(process.execPath, args, { env, stdio: 'ignore' })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  for (const endMs = Date.now() + WAIT_MS; child.exitCode === null; await sleep(2)) {
    if (Date.now() > endMs) throw new Error('nothing was received')
    if (child.signalCode === null && (await registered()) >= items) child.kill('SIGKILL')
    if (child.signalCode !== null) break
  }
  await ended
  return child.signalCode === 'SIGKILL'
}

function receive(): Promise<{ code: number; out: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, args, { env, maxBuffer: 1 << 26 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : 1, out: out + err })
    })
  })
}

t.test('killed in the middle of a file, again and again, it ends with each row and posting once', async (test) => {
  const made = Array.from({ length: ITEMS }, (_, index) => transactionOf(index + 1))
  leave(
    1,
    made.map(({ transaction }) => transaction),
  )
  let kills = 0
  for (const share of KILLED_AT) if (await receiveUntil(Math.ceil((ITEMS * share) / 1_000))) kills++
  test.ok(kills >= KILLED_AT.length - 1, `${kills} times`)
  // What was killed may hold its connection for a moment more.
  let last = await receive()
  for (const endMs = Date.now() + WAIT_MS; last.code !== 0 && Date.now() < endMs; await sleep(50))
    last = await receive()
  test.equal(last.code, 0, last.out)

  const { rows } = await client.query<{ number: number; state: string; amount: number; posted_id: string | null }>(
    'select number, state, amount_piasters::integer as amount, posted_id from network_item order by number',
  )
  test.same(
    rows.map(({ number, state, amount }) => [number, state, amount]),
    made.map(({ state, transaction }, index) => [index + 1, state, Number(transaction.parts['0']?.destinationAmount)]),
  )
  const posted = rows.filter(({ posted_id: id }) => id !== null)
  test.equal(posted.length, made.filter(({ state }) => state !== 'duplicate').length)
  test.equal(new Set(posted.map(({ posted_id: id }) => id)).size, posted.length)
  const { rows: journal } = await client.query<{ rows: number; piasters: string }>(
    `select count(*)::integer as rows, sum(case when mti = '0220' then approved_amount else -approved_amount end) as piasters
     from authorization_journal where link = 'clearing'`,
  )
  const sum = made.reduce((total, { state, transaction }) => {
    if (state === 'duplicate' || transaction.code === '10') return total
    const piasters = Number(transaction.parts['0']?.destinationAmount)
    return total + (transaction.code === '25' ? -piasters : piasters)
  }, 0)
  const fees = made.filter(({ transaction }) => transaction.code === '10').length
  test.same(journal, [{ rows: posted.length - fees, piasters: String(sum) }])
  test.same(failed(await verifyLedger(databaseUrl)), [])
})

t.test('no card number lies in a file of the folder, done or refused', async (test) => {
  leave(2, [sale(ITEMS + 1), sale(ITEMS + 2)])
  leave(9, [sale(ITEMS + 3)])
  test.equal((await receive()).code, 1, 'the second is out of sequence')
  const files = readdirSync(inbox, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  test.same(files.map(({ parentPath, name }) => path.relative(inbox, path.join(parentPath, name))).sort(), [
    `done/UC.ITF.400000.${date}.1.001.p7m`,
    `done/UC.ITF.400000.${date}.1.002.p7m`,
    'rejected/network-9.ctf.p7m',
    'rejected/network-9.ctf.reason',
  ])
  for (const { parentPath, name } of files) {
    test.notMatch(readFileSync(path.join(parentPath, name), 'latin1'), /4000\d{12}/, name)
  }
})
