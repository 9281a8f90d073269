import type { DecisionPolicy } from '../authorization/decision.ts'
import type { ProgrammeCatalogue } from '../benefit/programme-book.ts'
import type { CivilDate, Clock } from '../calendar.ts'
import { describeError, MizanError } from '../errors.ts'
import { dialects } from '../iso8583/dialects.ts'
import type { ConnectionServices } from '../link/connection.ts'
import { Exchange, type ExchangeObserver } from '../link/exchange.ts'
import { MessageMac } from '../link/message-mac.ts'
import type { LinkObserver } from '../link/observer.ts'
import { ServerLink, type ServerLinkOptions } from '../link/server-link.ts'
import { EndOfTurn } from '../link/turn.ts'
import type { Timing } from '../timing.ts'
import { Authenticator } from '../writer/authenticator.ts'
import type { LaneObserver } from '../writer/observer.ts'
import { Writer } from '../writer/writer.ts'
import { type Agenda, timingOf } from './agenda.ts'
import { type Server, SimulatedJournal } from './journal.ts'
import { type LinkKeys, SimulatedModule } from './security.ts'
import { sideReadsOf } from './side-reads.ts'
import type { Swarm } from './swarm.ts'
import type { Wire } from './wire.ts'
import { outletByAcceptor, panIndexOf } from './world.ts'

export type LinkName = Swarm['links'][number]

/** How each link is spoken, as in the default configuration. */
export const linkKinds = {
  ascii: { dialect: 'iso87-ascii', framing: 'len2', tpdu: false, maxFrameBytes: 4_096 },
  bcd: { dialect: 'iso87-bcd', framing: 'len2', tpdu: true, maxFrameBytes: 4_096 },
  visa: { dialect: 'visa-base1', framing: 'visa', tpdu: false, maxFrameBytes: 2_048 },
} as const

const SWEEP_MS = 500
const CLOSINGS_PER_SECOND = 2_000

/** What a process of the switch is made from. */
export interface HostOptions {
  readonly name: string
  readonly swarm: Swarm
  readonly agenda: Agenda
  readonly server: Server
  readonly keys: LinkKeys
  readonly catalogue: ProgrammeCatalogue
  readonly now: () => number
  readonly lateMs: () => number
  readonly onEvent: (what: string) => void
  /** Gets what no process should ever meet. */
  readonly onDefect: (what: string) => void
  readonly onFenced: (host: Host) => void
  readonly policy: DecisionPolicy
}

/**
 * One process of the switch: the real lanes, links and exchanges on simulated time, network and journal. When it is
 * killed, all that it holds in memory is gone at that very instant.
 */
export class Host {
  readonly name: string
  readonly #options: HostOptions
  readonly #timing: Timing
  readonly #writer: Writer
  readonly #exchanges = new Map<LinkName, Exchange>()
  readonly #services: ConnectionServices
  readonly #links = new Map<number, { link: ServerLink; wire: Wire }>()
  #isAlive = true
  #isReady = false
  #wake: (() => void) | undefined

  constructor(options: HostOptions) {
    this.name = options.name
    this.#options = options
    const { agenda, swarm, server, keys } = options
    const isAlive = () => this.#isAlive
    this.#timing = timingOf(agenda, isAlive)
    const clock: Clock = { now: options.now }
    const module = new SimulatedModule(keys, this.#timing, options.lateMs)
    const side = sideReadsOf(server, isAlive, (wake) => {
      this.#wake = wake
    })
    this.#writer = new Writer({
      url: '',
      journalOf: (lane) => new SimulatedJournal(server, lane, swarm.commitTimeoutMs, isAlive),
      laneCount: swarm.laneCount,
      limits: swarm,
      rules: { programmesOn: options.catalogue.on, policy: options.policy, outletByAcceptor },
      authenticator: new Authenticator(module),
      clock,
      timing: this.#timing,
      observer: this.#laneObserver(),
      timeBudgetMs: swarm.timeBudgetMs,
      commitTimeoutMs: swarm.commitTimeoutMs,
      lookup: side.lookup,
      dueHolds: side.dueHolds,
      dueClosings: side.dueClosings,
      closingsPerSecond: CLOSINGS_PER_SECOND,
      inbox: side.inbox,
    })
    this.#services = {
      clock,
      timing: this.#timing,
      observer: this.#linkObserver(),
      turn: new EndOfTurn(this.#timing),
    }
    for (const link of swarm.links) this.#exchanges.set(link, this.#exchangeOf(link, module))
  }

  #exchangeOf(link: LinkName, module: SimulatedModule): Exchange {
    const dialect = dialects[linkKinds[link].dialect]
    if (dialect === undefined) throw new MizanError('CONFIG_INVALID', `there is no dialect of ${link}`)
    const mac = this.#options.swarm.macLinks.includes(link) ? { mac: new MessageMac(dialect, module, link) } : {}
    return new Exchange({
      link: { name: link, panIndexOf },
      dialect,
      decider: this.#writer,
      observer: this.#exchangeObserver(),
      timing: this.#timing,
      ...mac,
    })
  }

  get isAlive(): boolean {
    return this.#isAlive
  }

  get isReady(): boolean {
    return this.#isAlive && this.#isReady
  }

  /** Whether all lanes decide. */
  get isRunning(): boolean {
    return this.isReady && this.#writer.ready
  }

  get laneStates(): string {
    return this.#writer.lanes.map(({ lane, state }) => `${lane} ${state}`).join(', ')
  }

  /** Whether a lane that it takes for its own is another's: what a heartbeat would tell it. */
  isOvertaken(lanes: ReadonlyMap<number, { readonly epoch: number }>): boolean {
    return this.#writer.lanes.some(({ lane, state, epoch }) => state === 'running' && lanes.get(lane)?.epoch !== epoch)
  }

  /** Takes the lanes over; false when the journal cannot be reached. */
  async start(): Promise<boolean> {
    try {
      await this.#writer.start()
    } catch (error) {
      this.#options.onEvent(`${this.name} does not start: ${describeError(error)}`)
      return false
    }
    this.#isReady = true
    this.#timing.every(SWEEP_MS, () => {
      for (const { link } of [...this.#links.values()]) link.sweep(this.#timing.monotonicMs())
    })
    this.#options.onEvent(`${this.name} is ready`)
    return true
  }

  /** A peer connects. */
  accept(name: LinkName, wire: Wire): void {
    const exchange = this.#exchanges.get(name)
    if (exchange === undefined) return
    const { maxInFlight, maxOutboundBytes, idleTimeoutMs } = this.#options.swarm
    const { framing, tpdu, maxFrameBytes } = linkKinds[name]
    const limits = { maxInFlight, maxOutboundBytes, idleTimeoutMs, maxFrameBytes }
    const options: ServerLinkOptions = { name, framing, tpdu, requireSignOn: false, ...limits }
    const gone = (link: ServerLink) => this.#links.delete(link.id)
    const link = new ServerLink(wire.host, options, this.#services, (request) => exchange.handle(request), '', gone)
    this.#links.set(link.id, { link, wire })
  }

  /** A command has come to the inbox. */
  wake(): void {
    if (this.#isAlive) this.#wake?.()
  }

  /** Ends it as a power cut does; its peers learn of it by and by. */
  kill(): void {
    if (!this.#isAlive) return
    this.#isAlive = false
    const wires = [...this.#links.values()].map(({ wire }) => wire)
    this.#links.clear()
    for (const wire of wires) wire.cut()
  }

  #laneObserver(): LaneObserver {
    const { onEvent, onDefect } = this.#options
    return {
      laneFault: (lane, error) => {
        const isExpected = error instanceof MizanError && ['STORE_UNAVAILABLE', 'STORE_REJECTED'].includes(error.code)
        if (isExpected) onEvent(`${this.name} lane ${lane}: ${describeError(error)}`)
        else onDefect(`${this.name} lane ${lane}: ${error instanceof Error ? (error.stack ?? error.message) : error}`)
      },
      laneFailed: (lane, error) => onDefect(`${this.name} lane ${lane} ended: ${describeError(error)}`),
      laneRecovered: (lane, epoch, lastSeq, committed) =>
        onEvent(`${this.name} lane ${lane} goes on after batch ${lastSeq}, epoch ${epoch}, lost one in: ${committed}`),
      laneFenced: (lane, epoch) => {
        onEvent(`${this.name} lane ${lane} is fenced off, epoch ${epoch}`)
        this.#options.onFenced(this)
      },
      early91: (lane, reason) => onEvent(`${this.name} lane ${lane} answers 91: ${reason}`),
    }
  }

  #linkObserver(): LinkObserver {
    return {
      handlerFailed: (link, error) => this.#options.onDefect(`${this.name} link ${link.name}: ${describeError(error)}`),
      disconnected: (link, reason) => this.#options.onEvent(`${this.name} link ${link.name} ends: ${reason}`),
    }
  }

  #exchangeObserver(): ExchangeObserver {
    return {
      undecodable: (link, failure, reason) => {
        if (reason.includes('cannot be')) this.#options.onDefect(`${this.name} link ${link}: ${reason}`)
        else this.#options.onEvent(`${this.name} link ${link}: ${reason} ${failure?.kind ?? ''}`)
      },
    }
  }
}

/** Rules with figures that are configuration; each service is live everywhere. */
export function policyOf({ holdDays }: Pick<Swarm, 'holdDays'>): DecisionPolicy {
  return {
    withdrawalDailyPiasters: 600_000,
    withdrawalDailyCount: 4,
    purchaseSinglePiasters: 2_000_000,
    holdDays,
    pinTriesMax: 3,
    chipDataRequired: false,
    pinRequired: () => false,
    oneTimeCode: { validMs: 300_000, triesMax: 3, perDayMax: 5 },
    serviceLiveFrom: () => 20_230_801 as CivilDate,
  }
}
