import { setTimeout as sleep } from 'node:timers/promises'
import { describeError } from '../../src/errors.ts'
import { note, progress } from '../terminal.ts'
import { type Audit, auditAtEnd, auditLive, violationsOf } from './audit.ts'
import type { FaultKind } from './fault.ts'
import { type PlannedFault, planFaults } from './plan.ts'
import { Stage, type StageOptions } from './stage.ts'
import { FaultWatch, KindFigures } from './watch.ts'

export interface ChaosOptions extends StageOptions {
  readonly faults: number
  readonly kinds: readonly FaultKind[]
  /**
   * Faults after which ledger and record are compared and the invariants checked, load or not; absent: as often as takes
   * no more than a sixth of the time, and every {@link AUDIT_EVERY_MAX} at least.
   */
  readonly verifyEvery?: number
  /** Load between the recovery from a fault and the next one, milliseconds. */
  readonly calmMs: number
  /** Whether the data folder stays. */
  readonly keep: boolean
}

/** A fault that was played. */
export interface PlayedFault {
  readonly ordinal: number
  readonly name: string
  /** What was drawn. */
  readonly detail: string
  readonly atSeconds: number
}

/** What a chaos run came to. */
export interface ChaosResult {
  readonly seed: number
  readonly seconds: number
  readonly played: readonly PlayedFault[]
  /** Kinds that cannot be played here, with why. */
  readonly skipped: Readonly<Record<string, string>>
  readonly figures: ReadonlyMap<string, KindFigures>
  /** All that must not be; empty when the switch held. */
  readonly violations: readonly string[]
  readonly audits: number
  readonly sent: number
  readonly answered: number
  readonly last: Audit | undefined
  readonly counts: FaultWatch['counts']
  readonly logBytes: number
}

const AUDIT_EVERY_MAX = 20
/** Time between two audits, measured in the time that the last one took. */
const AUDIT_PAUSE = 5
const RECOVERY_MAX_MS = 45_000
const SETTLED_WITHIN_MS = 45_000
const POLL_MS = 50
/** Load before the first fault. */
const LEAD_MS = 1_500

/** Plays a load and breaks something under it again and again; nothing may be lost or invented by it. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const beganMs = performance.now()
  const stage = await Stage.open(options)
  const run = new ChaosRun(stage, options)
  try {
    return await run.play(beganMs)
  } finally {
    await stage.close(options.keep)
  }
}

class ChaosRun {
  readonly #stage: Stage
  readonly #options: ChaosOptions
  readonly #watch: FaultWatch
  readonly #figures = new Map<string, KindFigures>()
  readonly #played: PlayedFault[] = []
  readonly #violations: string[] = []
  #audits = 0
  #isOver = false
  #comparedTo = 1
  #auditedFault = 0
  #auditedMs = 0
  #auditTookMs = 0

  constructor(stage: Stage, options: ChaosOptions) {
    this.#stage = stage
    this.#options = options
    this.#watch = new FaultWatch(stage.session)
  }

  async play(beganMs: number): Promise<ChaosResult> {
    const { session } = this.#stage
    const { ratePerSecond, seconds, faults, seed, kinds } = this.#options
    const skipped = this.#unavailable()
    const playable = kinds.filter(({ name }) => skipped[name] === undefined)
    const startedMs = performance.now()
    const load = session.generator.run({
      ratePerSecond,
      warmupSeconds: 0,
      seconds,
      answerWithinMs: 0,
      isOver: () => this.#isOver,
      onLatency: (_microseconds, sequence) => this.#watch.answered(sequence),
    })
    await sleep(LEAD_MS)
    for (const fault of playable.length === 0 ? [] : planFaults(playable, faults, seed)) {
      if (performance.now() - startedMs > seconds * 1_000) {
        this.#violations.push(`time is over after ${this.#played.length} of ${faults} faults; allow more --seconds`)
        break
      }
      if (!(await this.#playOne(fault, startedMs))) break
      if (this.#auditIsDue(fault.ordinal) && !(await this.#audit())) break
    }
    this.#isOver = true
    const outcome = await load
    await this.#settle()
    this.#checkContradictions()
    const counts = this.#watch.counts
    const last = await this.#end()
    return {
      seed,
      seconds: (performance.now() - beganMs) / 1_000,
      played: this.#played,
      skipped,
      figures: this.#figures,
      violations: this.#violations,
      audits: this.#audits,
      sent: session.record.last,
      answered: outcome.completed,
      last,
      counts,
      logBytes: this.#stage.logBytes,
    }
  }

  #unavailable(): Record<string, string> {
    const reasons: Record<string, string> = {}
    for (const { name, unavailable } of this.#options.kinds) {
      const reason = unavailable?.(this.#stage)
      if (reason !== undefined) reasons[name] = reason
    }
    return reasons
  }

  /** @returns false when the run cannot go on */
  async #playOne({ ordinal, kind, draw }: PlannedFault, startedMs: number): Promise<boolean> {
    const { name } = kind
    const figures = this.#figures.get(name) ?? new KindFigures()
    this.#figures.set(name, figures)
    const atSeconds = (performance.now() - startedMs) / 1_000
    const before = this.#watch.counts
    progress(`fault ${ordinal} of ${this.#options.faults}: ${name}`)
    this.#watch.begin(figures)
    let detail = ''
    try {
      detail = await kind.play(this.#stage, draw)
    } catch (error) {
      this.#violations.push(`fault ${ordinal}, ${name}: ${describeError(error)}`)
    }
    figures.faults += 1
    this.#played.push({ ordinal, name, detail, atSeconds })
    const recovered = await this.#watch.recovered(RECOVERY_MAX_MS)
    if (recovered) await sleep(this.#options.calmMs)
    else this.#violations.push(`fault ${ordinal}, ${name}: nothing was approved for ${RECOVERY_MAX_MS} ms after it`)
    if (!this.#stage.session.process.alive()) {
      this.#violations.push(`fault ${ordinal}, ${name}: the switch process ended`)
      return false
    }
    const { counts } = this.#watch
    for (const count of ['refused', 'repeats', 'reversals', 'linksLost'] as const) {
      figures[count] += counts[count] - before[count]
    }
    return recovered
  }

  #auditIsDue(ordinal: number): boolean {
    const { verifyEvery } = this.#options
    if (verifyEvery !== undefined) return ordinal % verifyEvery === 0
    if (ordinal - this.#auditedFault >= AUDIT_EVERY_MAX) return true
    return performance.now() - this.#auditedMs >= AUDIT_PAUSE * this.#auditTookMs
  }

  /** @returns false when something is wrong: what follows would only hide it */
  async #audit(): Promise<boolean> {
    const { session } = this.#stage
    const beganMs = performance.now()
    const settledTo = Math.min(session.record.last, session.generator.followUps?.oldest ?? 1)
    const audit = await auditLive(this.#stage, this.#comparedTo)
    this.#comparedTo = settledTo
    this.#audits += 1
    this.#auditedFault = this.#played.length
    this.#auditedMs = performance.now()
    this.#auditTookMs = this.#auditedMs - beganMs
    return this.#judge(audit)
  }

  #judge(audit: Audit): boolean {
    const found = violationsOf(audit)
    const after = this.#played.at(-1)
    for (const what of found) this.#violations.push(`after fault ${after?.ordinal} (${after?.name}): ${what}`)
    return found.length === 0
  }

  /** Repeats and reversals go on until the fate of every request is known. */
  async #settle(): Promise<void> {
    const { followUps } = this.#stage.session.generator
    const giveUpMs = performance.now() + SETTLED_WITHIN_MS
    progress('settling what is open')
    while (followUps !== undefined && followUps.open > 0 && performance.now() < giveUpMs) await sleep(POLL_MS)
    if (followUps !== undefined && followUps.open > 0) {
      this.#violations.push(`${followUps.open} requests are still without an answer after ${SETTLED_WITHIN_MS} ms`)
    }
  }

  /** A request that went out once is answered once; only copies that the network made may be answered otherwise. */
  #checkContradictions(): void {
    const { contradictions = 0 } = this.#stage.session.generator.followUps?.counts ?? {}
    if (contradictions === 0 || this.#played.some(({ name }) => name === 'link-doubled')) return
    this.#violations.push(`${contradictions} requests were refused first and approved then`)
  }

  async #end(): Promise<Audit | undefined> {
    const { session } = this.#stage
    session.generator.close()
    await session.process.stop()
    try {
      const last = await auditAtEnd(this.#stage)
      this.#audits += 1
      this.#judge(last)
      progress('')
      return last
    } catch (error) {
      note(`the last audit failed: ${describeError(error)}`)
      this.#violations.push(`the last audit failed: ${describeError(error)}`)
      return undefined
    }
  }
}
