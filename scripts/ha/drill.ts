import { existsSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Command, InvalidArgumentError, Option } from 'commander'
import { type Audit, auditAtEnd, violationsOf } from '../../bench/chaos/audit.ts'
import { figure, note, progress, table } from '../../bench/terminal.ts'
import { describeError } from '../../src/errors.ts'
import { requestStates } from '../../src/simulator/load-record.ts'
import { type DrillPlace, DrillStage } from './drill-stage.ts'

/** `npm run ha`: what is promised of two processes and several databases, under load. */

interface Scenario {
  readonly name: string
  /** What it means, for the table. */
  readonly what: string
  /** Longest time to the first approved answer, milliseconds. */
  readonly targetMs: number
  /** Breaks something. @returns what brings it back, once requests are approved again */
  strike(stage: DrillStage): Promise<(stage: DrillStage) => Promise<void>>
}

const SWITCH_TARGET_MS = 5_000
const DATABASE_TARGET_MS = 30_000
const FENCED_WITHIN_MS = 10_000

async function killSwitch(stage: DrillStage): Promise<(stage: DrillStage) => Promise<void>> {
  const active = await stage.active()
  active.signal('SIGKILL')
  return () => stage.replace(active)
}

const scenarios: readonly Scenario[] = [
  {
    name: 'switch-killed',
    what: 'kill -9 of the process that answers',
    targetMs: SWITCH_TARGET_MS,
    strike: killSwitch,
  },
  {
    name: 'switch-stopped',
    what: 'SIGSTOP of the process that answers; SIGCONT when the other one does',
    targetMs: SWITCH_TARGET_MS,
    async strike(stage) {
      const active = await stage.active()
      active.signal('SIGSTOP')
      return async () => {
        active.signal('SIGCONT')
        await active.until('standby', FENCED_WITHIN_MS)
        if (!stage.wasFenced(active)) throw new Error('the process that was stopped does not say that it was fenced')
      }
    },
  },
  {
    name: 'database-killed',
    what: 'kill -9 of the primary PostgreSQL',
    targetMs: DATABASE_TARGET_MS,
    async strike(stage) {
      await stage.cluster.killPrimary('postmaster')
      return async () => undefined
    },
  },
  {
    name: 'database-machine-lost',
    what: 'kill -9 of the primary PostgreSQL and its Patroni',
    targetMs: DATABASE_TARGET_MS,
    async strike(stage) {
      await stage.cluster.killPrimary('machine')
      return async () => void stage.cluster.rejoin()
    },
  },
  {
    name: 'both-killed',
    what: 'kill -9 of the process that answers and of the primary PostgreSQL',
    targetMs: DATABASE_TARGET_MS,
    async strike(stage) {
      const mend = await killSwitch(stage)
      await stage.cluster.killPrimary('postmaster')
      return mend
    },
  },
]

interface Played {
  readonly name: string
  readonly what: string
  readonly targetMs: number
  /** From the fault to the first approval of a request that was meant to leave after it. */
  readonly outageMs: number
}

const RECOVERY_MAX_MS = 90_000
const CALM_MS = 3_000
const SETTLED_WITHIN_MS = 60_000
const POLL_MS = 50

/** Waits for the first approved answer to a request that left after a moment. */
class ApprovalWatch {
  readonly #stage: DrillStage
  #struckMs = Number.POSITIVE_INFINITY
  #resolve: (outageMs: number) => void = () => undefined

  constructor(stage: DrillStage) {
    this.#stage = stage
  }

  answered(sequence: number): void {
    const { record } = this.#stage
    if (record.state[sequence] !== requestStates.approved || (record.intendedMs[sequence] as number) < this.#struckMs)
      return
    this.#resolve(performance.now() - this.#struckMs)
    this.#struckMs = Number.POSITIVE_INFINITY
  }

  async after(strike: () => Promise<void>): Promise<number> {
    const first = new Promise<number>((resolve) => {
      this.#resolve = resolve
    })
    await strike()
    this.#struckMs = performance.now()
    const late = sleep(RECOVERY_MAX_MS, undefined, { ref: false }).then(() => Number.POSITIVE_INFINITY)
    return Promise.race([first, late])
  }
}

interface DrillResult {
  readonly played: readonly Played[]
  readonly sent: number
  readonly answered: number
  readonly audit: Audit
  readonly violations: readonly string[]
  readonly repeats: number
  readonly reversals: number
}

async function runDrill(place: DrillPlace, wanted: readonly Scenario[]): Promise<DrillResult> {
  progress('making databases, cards and processes')
  const stage = await DrillStage.open(place)
  try {
    const watch = new ApprovalWatch(stage)
    let isOver = false
    const load = stage.generator.run({
      ratePerSecond: place.ratePerSecond,
      warmupSeconds: 0,
      seconds: place.secondsMax,
      answerWithinMs: 0,
      isOver: () => isOver,
      onLatency: (_microseconds, sequence) => watch.answered(sequence),
    })
    const played: Played[] = []
    const violations: string[] = []
    for (const scenario of wanted) {
      progress(`${scenario.name}: waiting until everything is there twice`)
      await stage.untilWhole()
      await sleep(CALM_MS)
      progress(`${scenario.name}: ${scenario.what}`)
      let mend: ((stage: DrillStage) => Promise<void>) | undefined
      const outageMs = await watch.after(async () => {
        mend = await scenario.strike(stage)
      })
      const { name, what, targetMs } = scenario
      played.push({ name, what, targetMs, outageMs })
      if (outageMs > targetMs) violations.push(`${name}: ${Math.round(outageMs)} ms, and ${targetMs} were allowed`)
      await mend?.(stage)
    }
    await stage.untilWhole()
    await sleep(CALM_MS)
    isOver = true
    const { completed } = await load
    violations.push(...(await settle(stage)))
    const statuses = await stage.stop()
    if (statuses.some((status) => status !== 0)) violations.push(`the processes ended with ${statuses.join(' and ')}`)
    progress('comparing every answer with the ledger')
    const audit = await auditAtEnd({ session: stage, world: { url: stage.cluster.url } })
    violations.push(...violationsOf(audit))
    progress('')
    const { repeats = 0, reversals = 0 } = stage.generator.followUps?.counts ?? {}
    return { played, sent: stage.record.last, answered: completed, audit, violations, repeats, reversals }
  } finally {
    await stage.remove(place.folder)
  }
}

/** Repeats and reversals go on until the fate of every request is known. */
async function settle({ generator: { followUps } }: DrillStage): Promise<string[]> {
  const giveUpMs = performance.now() + SETTLED_WITHIN_MS
  while (followUps !== undefined && followUps.open > 0 && performance.now() < giveUpMs) await sleep(POLL_MS)
  return followUps === undefined || followUps.open === 0
    ? []
    : [`${followUps.open} requests are still without an answer`]
}

function print(result: DrillResult): void {
  const { played, sent, answered, audit, violations, repeats, reversals } = result
  const rows = played.map(({ name, what, outageMs, targetMs }) => [name, what, figure(outageMs), figure(targetMs)])
  process.stdout.write(table([['fault', 'what', 'first approval after ms', 'target'], ...rows]))
  const { lost, phantom, unansweredButPosted } = audit.comparison
  process.stdout.write(
    `${sent} sent, ${answered} answered; ${repeats} repeats, ${reversals} reversals; ` +
      `lost ${lost}, phantom ${phantom}, posted unanswered and reversed ${unansweredButPosted - audit.unsettled}, neither ${audit.unsettled}\n` +
      `invariants: ${audit.invariants.every(({ ok }) => ok) ? 'all ok' : 'FAIL'}\n`,
  )
  for (const violation of violations) note(violation)
}

function whole(low: number, high: number) {
  return (text: string) => {
    const value = Number(text)
    if (Number.isInteger(value) && value >= low && value <= high) return value
    throw new InvalidArgumentError(`must be a whole number from ${low} to ${high}`)
  }
}

interface DrillOptions {
  readonly folder: string
  readonly servers: string
  readonly etcds: string
  readonly bin: string
  readonly rate: number
  readonly cards: number
  readonly only?: string
  readonly json: boolean
}

const program = new Command('ha')
  .description('kill processes and databases of a pair under load, and compare every answer with the ledger')
  .option('--folder <folder>', 'folder for everything; must be new', path.join(os.tmpdir(), `mizan-ha-${process.pid}`))
  .addOption(new Option('--servers <n>', 'PostgreSQL servers').choices(['2', '3']).default('3'))
  .addOption(new Option('--etcds <n>', 'members of etcd').choices(['1', '3']).default('1'))
  .option('--bin <folder>', "folder of PostgreSQL's programs", '/usr/lib/postgresql/15/bin')
  .option('--rate <n>', 'requests per second', whole(1, 10_000), 200)
  .option('--cards <n>', 'cards', whole(1_000, 1_000_000), 5_000)
  .addOption(new Option('--only <fault>', 'one fault').choices(scenarios.map(({ name }) => name)))
  .option('--json', 'one JSON object on stdout', false)
  .action(async (options: DrillOptions) => {
    const { folder, servers, etcds, bin: binDir, rate: ratePerSecond, cards, only, json } = options
    if (existsSync(folder)) throw new Error(`${folder} is there already`)
    const wanted = scenarios.filter(({ name }) => only === undefined || name === only)
    const secondsMax = 120 + wanted.length * 120
    const place = { folder, servers: Number(servers), etcds: Number(etcds), binDir, cards, ratePerSecond, secondsMax }
    const result = await runDrill(place, wanted)
    const { lost, phantom } = result.audit.comparison
    if (json) {
      const faults = result.played.map(({ name, outageMs, targetMs }) => ({
        name,
        outage_ms: Math.round(outageMs),
        target_ms: targetMs,
      }))
      const { unsettled, misreversed, invariants } = result.audit
      const failing = invariants.filter(({ ok }) => !ok).map(({ name }) => name)
      const { sent, answered, violations, repeats, reversals } = result
      process.stdout.write(
        `${JSON.stringify({ faults, sent, answered, repeats, reversals, lost, phantom, unsettled, misreversed, failing, violations })}\n`,
      )
    } else print(result)
    if (result.violations.length > 0) process.exitCode = 1
  })

// A signal ends the process by way of its exit handlers, which stop the switches.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`ha: ${describeError(error)}\n`)
  process.exitCode = 1
}
