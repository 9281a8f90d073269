import { mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { type CivilDate, formatDate } from '../src/calendar.ts'
import type { DayStep, DayStepContext } from '../src/clearing/day/step.ts'
import { balanceStep } from '../src/clearing/outgoing/balance-step.ts'
import type { FileStepOptions } from '../src/clearing/outgoing/file-steps.ts'
import { selectStep } from '../src/clearing/outgoing/select-step.ts'
import { writeStep } from '../src/clearing/outgoing/write-step.ts'
import { encryptFile, writeSignature } from '../src/clearing/protection/files.ts'
import { makeRsaKey, selfSigned } from '../src/clearing/protection/self-signed.ts'
import { listFiles } from '../src/store/clearing/files.ts'
import { connect } from '../src/store/connection.ts'
import { createLogger } from '../src/telemetry/logger.ts'
import { loadTransactions } from './clearing-day.ts'
import { note, progress } from './terminal.ts'
import { type BenchWorld, openBenchKeys, openWorld } from './world.ts'

/** What the bench of clearing files is asked for. */
export interface ClearingBenchOptions {
  /** Transactions of the day. */
  readonly items: number
  /** How many in a hundred are the card scheme's; the others are bread. */
  readonly network: number
  readonly cards: number
  readonly seed: number
  readonly json: boolean
  readonly varDir?: string
}

const DATE = 20261118 as CivilDate
const RSA_BITS = 3_072
const VALID_MS = 86_400_000
const RSS_EVERY_MS = 50

/** `npm run bench -- clearing`: the files of a day of so many transactions, in a database of its own. */
export async function runClearingBench(options: ClearingBenchOptions): Promise<boolean> {
  const { items, network, json, ...place } = options
  const world = await openWorld({ ...place, laneCount: 1, reload: true, purpose: 'clearing' })
  const folder = path.join(world.varDir, 'clearing-bench')
  const memory = watchMemory()
  try {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    note(`a day of ${items} transactions, ${network} % of them the card scheme's`)
    const loadSeconds = await timed(() => loadClosingDay(world, items, network))
    const { protection } = await openBenchKeys(world.varDir, world.url, options.seed)
    const steps: FileStepOptions = {
      processingBin: '400000',
      centre: 'MIZAN',
      batchItems: 950,
      testFiles: true,
      railLinks: ['visa'],
      protection,
    }
    const run = (step: DayStep) => timed(() => runStep(step, world.url, folder))
    memory.reset()
    const selectSeconds = await run(selectStep(steps))
    const writeSeconds = await run(writeStep(steps))
    const balanceSeconds = await run(balanceStep())
    const signSeconds = await timed(() => signAll(world.url, folder))
    const figures = {
      items,
      loadSeconds,
      selectSeconds,
      writeSeconds,
      balanceSeconds,
      signSeconds,
      buildAndSignSeconds: selectSeconds + writeSeconds + signSeconds,
      itemsPerSecond: Math.round(items / (selectSeconds + writeSeconds + signSeconds)),
      peakRssMb: memory.peakMb(),
      files: await filesOf(world.url),
    }
    process.stdout.write(json ? `${JSON.stringify(figures)}\n` : tableOf(figures))
    return true
  } finally {
    memory.stop()
    rmSync(folder, { recursive: true, force: true })
    await world.close()
  }
}

/** The transactions of a day that is being closed. */
async function loadClosingDay(world: BenchWorld, items: number, network: number): Promise<void> {
  const client = await connect({ url: world.url, name: 'bench clearing' })
  try {
    await client.query(
      `insert into business_day (business_date, state, asked_by, asked_at, lanes_closed_at)
       values ($1, 'closing', 'bench', now(), now())`,
      [formatDate(DATE)],
    )
    await loadTransactions(client, { date: DATE, items, network, cards: world.cards.count })
  } finally {
    await client.end()
  }
}

async function runStep(step: DayStep, url: string, folder: string): Promise<void> {
  const context: DayStepContext = {
    businessDate: DATE,
    url,
    folder,
    signal: new AbortController().signal,
    log: createLogger({ level: 'warn' }),
    nowMs: () => Date.now(),
    progress: (words, done) => progress(done === undefined ? words : `${words}: ${done}`),
  }
  const outcome = await step.run(context)
  progress('')
  note(`${step.name}: ${outcome.words}`)
  if (outcome.state !== 'done') throw new Error(`${step.name} is ${outcome.state}: ${outcome.words}`)
}

/** A signature for each file, and the encrypted form of those with card numbers, as the step `sign` makes them. */
async function signAll(url: string, folder: string): Promise<void> {
  const privateKey = await makeRsaKey(RSA_BITS)
  const now = Date.now()
  const request = { organization: 'Bench', validFromMs: now - VALID_MS, validToMs: now + VALID_MS } as const
  const certificate = selfSigned(privateKey, { ...request, name: 'Bench signing', purpose: 'sign' })
  const receiver = selfSigned(await makeRsaKey(RSA_BITS), { ...request, name: 'Bench receiver', purpose: 'encrypt' })
  const client = await connect({ url, name: 'bench clearing', role: 'mizan_app' })
  try {
    for (const file of await listFiles(client, { businessDate: DATE, direction: 'out' })) {
      if (file.sha256 === undefined) continue
      const place = path.join(folder, file.path)
      await writeSignature(place, file.sha256, { certificate, privateKey })
      if (file.type !== 'CTF') continue
      await encryptFile(place, `${place}.p7m`, { recipients: [receiver], expected: file.sha256 })
    }
  } finally {
    await client.end()
  }
}

async function filesOf(url: string) {
  const client = await connect({ url, name: 'bench clearing', role: 'mizan_app' })
  try {
    const files = await listFiles(client, { businessDate: DATE, direction: 'out' })
    return files.toReversed().map(({ name, items, bytes = 0 }) => ({ name, items, bytes }))
  } finally {
    await client.end()
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const beganMs = performance.now()
  await work()
  return Math.round(performance.now() - beganMs) / 1_000
}

/** Watches the memory of this process. */
function watchMemory() {
  let peak = 0
  const look = () => {
    peak = Math.max(peak, process.memoryUsage.rss())
  }
  const timer = setInterval(look, RSS_EVERY_MS)
  return {
    reset: () => {
      peak = 0
      look()
    },
    peakMb: () => {
      look()
      return Math.ceil(peak / 1_048_576)
    },
    stop: () => clearInterval(timer),
  }
}

function tableOf(figures: {
  readonly [name: string]: number | readonly { readonly name: string; readonly items: number; readonly bytes: number }[]
}): string {
  const lines = Object.entries(figures).flatMap(([name, value]) =>
    typeof value === 'number' ? [`${name.padEnd(22)}${String(value).padStart(12)}`] : [],
  )
  const { files } = figures
  const named = Array.isArray(files) ? files.slice(0, 5) : []
  return `${[...lines, ...named.map(({ name, items, bytes }) => `${name}  ${items} items, ${bytes} bytes`)].join('\n')}\n`
}
