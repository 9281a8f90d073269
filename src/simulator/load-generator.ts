import { setTimeout as sleep } from 'node:timers/promises'
import { MizanError } from '../errors.ts'
import { AnswerReader, type AnswerValues, chipDataOf } from './load-answer.ts'
import { LoadClock } from './load-clock.ts'
import { type FollowUpRules, LoadFollowUps } from './load-follow-up.ts'
import { LoadLink } from './load-link.ts'
import { type LoadDialect, loadDialects } from './load-mix.ts'
import { type LoadPhase, outcomeOf } from './load-phase.ts'
import type { LoadOutcome, LoadPlan } from './load-plan.ts'
import { codeNumber, type LoadRecord, requestStates } from './load-record.ts'
import { LoadSchedule } from './load-schedule.ts'
import type { MessageNumbers } from './load-template.ts'
import type { LoadTraffic } from './load-traffic.ts'

/** Ports of a switch by dialect. */
export type LoadPorts = Readonly<Record<LoadDialect, number>>

export interface LoadGeneratorOptions {
  readonly ports: LoadPorts
  /** Of a process that stands by: links that are lost are opened there and here in turn. */
  readonly otherPorts?: LoadPorts
  readonly traffic: LoadTraffic
  readonly record: LoadRecord
  readonly linksPerDialect: number
  /** How requests without an answer are followed up; absent = they are not. */
  readonly followUp?: FollowUpRules
  /** Whether links keep requests while they are not connected, and heed a sign-off. @default false */
  readonly patient?: boolean
}

const refusals = new Set(['91', '96', '30'].map(codeNumber))
const approvals = new Set(['00', '10'].map(codeNumber))
const TIMED_OF = 64
/** Which of them is timed: not one of those whose answer is checked. */
const TIMED = 32
const TICK_MS = 1
const CONNECT_WITHIN_MS = 10_000
const DRAIN_POLL_MS = 5

/**
 * Sends a mix over several links at a fixed rate and keeps what each request and answer was. Latency counts from the
 * instant the schedule meant a request to leave, so a stall is charged to every request it delays, sent or not
 * (coordinated omission). One timer tick sends all that is due, in one write per dialect.
 */
export class LoadGenerator {
  readonly #traffic: LoadTraffic
  readonly #record: LoadRecord
  readonly #links: Record<LoadDialect, LoadLink[]>
  readonly #readers: Record<LoadDialect, AnswerReader>
  /** Repeats and reversals of what is not answered. */
  readonly followUps: LoadFollowUps | undefined
  readonly #answer: AnswerValues = { run: 0, sequence: 0, responseCode: 0, approvalCode: -1, amountPiasters: 0 }
  readonly #numbers: MessageNumbers = {
    householdId: 0,
    checkDigit: 0,
    transmission: 0,
    localTime: 0,
    localDate: 0,
    date: 0,
    stan: 0,
    sequence: 0,
    originalStan: 0,
    originalTransmission: 0,
  }
  #phase: LoadPhase | undefined
  readonly #clock = new LoadClock()
  #outstanding = 0
  #unmatched = 0
  #linksLost = 0
  #turn = 0

  constructor(options: LoadGeneratorOptions) {
    this.#traffic = options.traffic
    this.#record = options.record
    const events = {
      onFrame: (dialect: LoadDialect, frame: Buffer) => this.#onFrame(dialect, frame),
      onLost: () => {
        this.#linksLost += 1
      },
    }
    const { ports, otherPorts = ports, patient } = options
    const linksOf = (dialect: LoadDialect) => {
      const both = [...new Set([ports[dialect], otherPorts[dialect]])]
      return Array.from({ length: options.linksPerDialect }, () => new LoadLink(dialect, both, events, patient))
    }
    this.#links = byDialect(linksOf)
    this.#readers = byDialect((dialect) => new AnswerReader(options.traffic.sampleOf(dialect)))
    const { followUp } = options
    if (followUp === undefined) return
    this.followUps = new LoadFollowUps(followUp, {
      linkOf: (dialect) => this.#linkOf(dialect),
      reverse: (original, link) => this.#reverse(original, link),
      needsReversal: (sequence) => this.#needsReversal(sequence),
    })
  }

  /** Requests without an answer yet. */
  get outstanding(): number {
    return this.#outstanding
  }

  /**
   * Opens all links.
   * @throws MizanError LINK_TIMEOUT when a listener cannot be reached
   */
  async connect(): Promise<void> {
    const opened = Promise.all(this.#all().map((link) => link.connect())).then(() => true)
    if (await Promise.race([opened, sleep(CONNECT_WITHIN_MS, false, { ref: false })])) return
    this.close()
    throw new MizanError('LINK_TIMEOUT', 'the load cannot connect to all listeners of the switch')
  }

  /** Links that were lost so far. */
  get linksLost(): number {
    return this.#linksLost
  }

  /** Connects to other ports from the next attempt on. */
  retarget(ports: LoadPorts): void {
    for (const link of this.#all()) link.port = ports[link.dialect]
  }

  close(): void {
    this.followUps?.close()
    for (const link of this.#all()) link.close()
  }

  #all(): LoadLink[] {
    return loadDialects.flatMap((dialect) => this.#links[dialect])
  }

  /** Plays a plan to its end, and waits for the answers as long as the plan says. */
  async run(plan: LoadPlan): Promise<LoadOutcome> {
    const { ratePerSecond, warmupSeconds, seconds, stages } = plan
    const warmup = stages === undefined ? Math.round(ratePerSecond * warmupSeconds) : 0
    const schedule = new LoadSchedule(stages ?? [{ ratePerSecond, seconds: warmupSeconds + seconds }])
    const { total } = schedule
    if (total > this.#record.room) throw new RangeError('the record has no room for this run')
    const startMs = performance.now() + TICK_MS
    const first = this.#record.last + 1
    const closed = plan.window !== undefined
    const phase: LoadPhase = {
      plan,
      schedule,
      startMs,
      first,
      total,
      measuredFrom: closed ? Number.POSITIVE_INFINITY : first + warmup,
      measureStartMs: startMs + plan.warmupSeconds * 1_000,
      sent: 0,
      begun: false,
      lastAnswerMs: startMs,
      checksBefore: this.#traffic.chip?.checks ?? { checked: 0, wrong: 0 },
      latestSendMs: 0,
      timed: 0,
      timedMs: 0,
    }
    this.#phase = phase
    this.#outstanding = 0
    const lostBefore = this.#linksLost
    const unmatchedBefore = this.#unmatched
    await this.#sendAll(phase)
    plan.onMeasure?.('end')
    const giveUpMs = performance.now() + plan.answerWithinMs
    while (this.#outstanding > 0 && performance.now() < giveUpMs) await sleep(DRAIN_POLL_MS)
    this.#phase = undefined
    this.#traffic.chip?.forget()
    const linksLost = this.#linksLost - lostBefore
    const outcome = outcomeOf(phase, this.#record, this.#traffic.chip?.checks)
    return { ...outcome, linksLost, unmatched: this.#unmatched - unmatchedBefore }
  }

  #sendAll(phase: LoadPhase): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setInterval(() => {
        try {
          this.#tick(phase)
        } catch (error) {
          clearInterval(timer)
          reject(error)
          return
        }
        const { window, outstandingMax = Number.POSITIVE_INFINITY, seconds, isOver } = phase.plan
        const over = window !== undefined && performance.now() > phase.measureStartMs + seconds * 1_000
        const enough = over || this.#outstanding > outstandingMax || isOver?.() === true
        if (phase.sent < phase.total && !enough) return
        clearInterval(timer)
        resolve()
      }, TICK_MS)
    })
  }

  /** Sends all that is due. */
  #tick(phase: LoadPhase): void {
    const nowMs = performance.now()
    const { schedule, startMs } = phase
    const { window } = phase.plan
    const scheduled = schedule.due(nowMs - startMs)
    const due = Math.min(phase.total, window === undefined ? scheduled : phase.sent + window - this.#outstanding)
    if (due <= phase.sent) return
    if (window !== undefined && !phase.begun && nowMs >= phase.measureStartMs) {
      phase.measuredFrom = phase.first + phase.sent
    }
    if (window === undefined) {
      phase.latestSendMs = Math.max(phase.latestSendMs, nowMs - startMs - schedule.intendedMs(phase.sent))
    }
    this.#clock.read(this.#numbers)
    this.#turn += 1
    while (phase.sent < due) {
      const intendedMs = window === undefined ? startMs + schedule.intendedMs(phase.sent) : nowMs
      phase.sent += 1
      const sequence = this.#send(intendedMs)
      if (sequence === phase.measuredFrom && !phase.begun) {
        phase.begun = true
        phase.plan.onMeasure?.('begin')
      }
    }
    for (const dialect of loadDialects) for (const link of this.#links[dialect]) link.flush()
  }

  #send(intendedMs: number): number {
    const sequence = this.#record.next()
    if (sequence % TIMED_OF !== TIMED) {
      this.#make(sequence, intendedMs)
      return sequence
    }
    const beganMs = performance.now()
    this.#make(sequence, intendedMs)
    const phase = this.#phase
    if (phase?.begun === true) {
      phase.timed += 1
      phase.timedMs += performance.now() - beganMs
    }
    return sequence
  }

  /** Chooses a request and writes it to one of its links. */
  #make(sequence: number, intendedMs: number): void {
    const record = this.#record
    const numbers = this.#numbers
    const template = this.#traffic.next(sequence, record, numbers)
    const { chip, content, dialect } = template.source
    record.intendedMs[sequence] = intendedMs
    record.transmission[sequence] = numbers.transmission
    numbers.sequence = sequence
    numbers.stan = sequence % 1_000_000
    const links = this.#links[dialect]
    const link = links[this.#turn % links.length]
    if (link === undefined || !link.takes) return
    const presented = chip ? this.#traffic.chip?.present(sequence, content, numbers) : undefined
    const { buffer, position } = link
    const end = template.write(buffer, position, numbers, presented)
    link.wrote(end)
    this.followUps?.sent(sequence, link, buffer.subarray(position, end))
    record.state[sequence] = requestStates.sent
    this.#outstanding += 1
  }

  /** A link of a dialect that is up; the next in turn. */
  #linkOf(dialect: LoadDialect): LoadLink | undefined {
    const up = this.#links[dialect].filter((link) => link.connected)
    this.#turn += 1
    return up[this.#turn % up.length]
  }

  /** Sends the reversal of a request that nobody answered. @returns its number */
  #reverse(original: number, link: LoadLink): number {
    const record = this.#record
    const numbers = this.#numbers
    this.#clock.read(this.#numbers)
    const sequence = record.next()
    const template = this.#traffic.reversal(sequence, original, record, numbers)
    record.intendedMs[sequence] = performance.now()
    record.transmission[sequence] = numbers.transmission
    numbers.sequence = sequence
    numbers.stan = sequence % 1_000_000
    const { buffer, position } = link
    const end = template.write(buffer, position, numbers)
    link.wrote(end)
    this.followUps?.sent(sequence, link, buffer.subarray(position, end))
    link.flush()
    record.state[sequence] = requestStates.sent
    this.#outstanding += 1
    return sequence
  }

  /** An inquiry posts nothing, and a reversal is not reversed. */
  #needsReversal(sequence: number): boolean {
    const { mti, amountPiasters } = this.#traffic.template(this.#record.template[sequence] as number).source.content
    return !mti.startsWith('04') && amountPiasters > 0
  }

  /** An answer to a request that was answered before. */
  #late(sequence: number, dialect: LoadDialect, responseCode: number): void {
    const record = this.#record
    if (record.state[sequence] !== requestStates.refused || !approvals.has(responseCode)) return
    if (this.followUps === undefined) return
    // What it comes to is not known until its reversal is answered.
    record.state[sequence] = requestStates.sent
    record.responseCode[sequence] = 0
    this.followUps.approvedAfterRefusal(sequence, dialect)
  }

  #onFrame(dialect: LoadDialect, frame: Buffer): void {
    const answer = this.#answer
    const record = this.#record
    const readable = this.#readers[dialect].read(frame, answer) && answer.run === this.#traffic.run
    const { sequence } = answer
    const { responseCode } = answer
    if (!readable || record.state[sequence] !== requestStates.sent) {
      this.#unmatched += 1
      if (readable) this.#late(sequence, dialect, responseCode)
      return
    }
    const nowMs = performance.now()
    if (this.followUps?.answered(sequence, refusals.has(responseCode)) === false) return
    const approved = approvals.has(responseCode)
    const answered = refusals.has(responseCode) ? requestStates.refused : requestStates.declined
    record.state[sequence] = approved ? requestStates.approved : answered
    record.responseCode[sequence] = responseCode
    record.approvalCode[sequence] = Math.max(0, answer.approvalCode)
    record.amountPiasters[sequence] = answer.amountPiasters
    if (approved) this.#traffic.approved(sequence, record)
    const { chip } = this.#traffic
    if (chip?.awaits(sequence) === true) chip.check(sequence, chipDataOf(dialect, frame), approved)
    const phase = this.#phase
    if (phase === undefined || sequence < phase.first) return
    this.#outstanding -= 1
    phase.lastAnswerMs = nowMs
    if (sequence < phase.measuredFrom) return
    phase.plan.onLatency((nowMs - (record.intendedMs[sequence] as number)) * 1_000, sequence)
  }
}

function byDialect<T>(make: (dialect: LoadDialect) => T): Record<LoadDialect, T> {
  return {
    'iso87-ascii': make('iso87-ascii'),
    'iso87-bcd': make('iso87-bcd'),
    'visa-base1': make('visa-base1'),
  }
}
