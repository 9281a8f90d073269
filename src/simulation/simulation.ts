import type { ProgrammeCatalogue } from '../benefit/programme-book.ts'
import { Agenda } from './agenda.ts'
import { Auditor } from './auditor.ts'
import { cairoDate } from './cairo.ts'
import type { Chance } from './chance.ts'
import type { Coverage } from './coverage.ts'
import { Desk } from './desk.ts'
import { Host, type LinkName, policyOf } from './host.ts'
import type { JournalFaults, Server } from './journal.ts'
import { Ledger } from './ledger.ts'
import { Mishaps } from './mishaps.ts'
import { Peer } from './peer.ts'
import { EventRecord, Violation } from './record.ts'
import { LinkKeys } from './security.ts'
import type { Swarm } from './swarm.ts'
import { Traffic } from './traffic.ts'
import { type NetworkFaults, perfectNetwork, Wire } from './wire.ts'
import { drawHouseholds, householdEntry, type WorldHousehold } from './world.ts'

const RESTART_MS = 150
/** Time after the last fault in which everything must come right. */
const CONVERGENCE_MS = 240_000
const STEP_MS = 500

const calmJournal: Pick<JournalFaults, 'slow' | 'refused' | 'lostBefore' | 'lostAfter' | 'lostReading'> = {
  slow: 0,
  refused: 0,
  lostBefore: 0,
  lostAfter: 0,
  lostReading: 0,
}

/** One run: the switch, its journal, its peers, their terminals, time, and what goes wrong with each of them. */
export class Simulation {
  readonly agenda = new Agenda()
  readonly record: EventRecord
  readonly auditor: Auditor
  readonly coverage: Coverage
  readonly #swarm: Swarm
  readonly #chance: Chance
  readonly #faultChance: Chance
  readonly #catalogue: ProgrammeCatalogue
  readonly #households: readonly WorldHousehold[]
  readonly #ledger: Ledger
  readonly #server: Server
  readonly #keys: LinkKeys
  readonly #peers = new Map<LinkName, Peer>()
  readonly #desk: Desk
  readonly #mishaps: Mishaps
  readonly #traffic: Traffic
  #hosts: Host[] = []
  #hostCount = 0
  #isCalm = false
  #port = 10_000
  #defect: string | undefined
  #doomed: Host | undefined

  constructor(
    swarm: Swarm,
    chance: Chance,
    catalogue: ProgrammeCatalogue,
    coverage: Coverage,
    onEvent?: (line: string) => void,
  ) {
    this.#swarm = swarm
    this.#chance = chance
    this.#faultChance = chance.fork('faults')
    this.#catalogue = catalogue
    this.coverage = coverage
    this.record = new EventRecord(() => this.agenda.nowMs, onEvent)
    this.#households = drawHouseholds(swarm.households, swarm.postalMax, chance.fork('world'))
    const month = Math.floor(cairoDate(swarm.startMs) / 100)
    const before = month % 100 === 1 ? month - 89 : month - 1
    const closed = new Map(this.#households.map(({ id }) => [id, before]))
    this.auditor = new Auditor(swarm, this.#households, closed, coverage)
    this.#ledger = new Ledger(
      swarm.laneCount,
      (batch, hash) => {
        const { seq, lane, authorizations, commands, epoch } = batch
        const rows = authorizations.map(({ id, result, approvedAmount }) => `${id} ${result} ${approvedAmount}`)
        const done = commands.map(({ id, kind }) => `${id} ${kind}`)
        this.record.note(`batch ${seq} of lane ${lane}, epoch ${epoch}, is durable: ${[...done, ...rows].join('; ')}`)
        this.auditor.onBatch(batch, hash)
      },
      (refusal) => {
        throw new Violation('the database never refuses a batch for its rows', refusal.message)
      },
    )
    for (const household of this.#households) {
      this.#ledger.addHousehold(householdEntry(household, household.id % swarm.laneCount, before))
    }
    this.#server = this.#makeServer()
    this.#keys = new LinkKeys(swarm.macLinks)
    for (const link of swarm.links) this.#peers.set(link, this.#makePeer(link))
    this.#desk = this.#makeDesk()
    this.#mishaps = this.#makeMishaps()
    this.#traffic = this.#makeTraffic()
  }

  #makeServer(): Server {
    return {
      ledger: this.#ledger,
      agenda: this.agenda,
      chance: this.#chance.fork('journal'),
      faults: () => (this.#isCalm ? { ...this.#swarm.journal, ...calmJournal } : this.#swarm.journal),
      awayUntilMs: 0,
      busyUntilMs: new Map(),
      onFault: (what) => this.#fault(what),
      onStep: (step) => {
        if (this.#isCalm || !this.#faultChance.happens(this.#swarm.crashAtStep)) return
        const host = this.#current
        if (host === undefined) return
        this.#fault(`crash-${step}`)
        this.#kill(host)
      },
    }
  }

  #makePeer(link: LinkName): Peer {
    const chance = this.#chance.fork(`peer ${link}`)
    return new Peer({
      link,
      agenda: this.agenda,
      chance,
      keys: this.#keys,
      hasMac: this.#swarm.macLinks.includes(link),
      connect: (peer) => this.#connect(peer, chance),
      onAnswer: (message) => this.#traffic.receive(link, message),
      onEvent: (what) => this.record.note(what),
      onDefect: (what) => this.#onDefect(what),
    })
  }

  #connect(peer: Peer, chance: Chance): Wire | undefined {
    const host = this.#current
    if (host === undefined) return undefined
    const far = { onBytes: (chunk: Buffer) => peer.onBytes(wire, chunk), onClose: () => peer.onClose(wire) }
    const wire: Wire = new Wire({
      agenda: this.agenda,
      chance,
      faults: () => this.#network,
      far,
      port: this.#port++,
      onFault: (what) => this.#fault(`link-${what}`),
    })
    host.accept(peer.link, wire)
    return wire
  }

  #makeDesk(): Desk {
    return new Desk({
      swarm: this.#swarm,
      chance: this.#faultChance,
      households: this.#households,
      ledger: this.#ledger,
      record: this.record,
      nowMs: () => this.#mishaps.hostMs,
      wake: () => this.#current?.wake(),
    })
  }

  #makeMishaps(): Mishaps {
    return new Mishaps({
      swarm: this.#swarm,
      agenda: this.agenda,
      chance: this.#faultChance,
      server: this.#server,
      keys: this.#keys,
      peers: this.#peers,
      desk: this.#desk,
      current: () => this.#current,
      hostCount: () => this.#hosts.length,
      startHost: () => this.#startHost(),
      kill: (host) => this.#kill(host),
      onFault: (what) => this.#fault(what),
    })
  }

  #makeTraffic(): Traffic {
    return new Traffic({
      swarm: this.#swarm,
      agenda: this.agenda,
      chance: this.#chance.fork('traffic'),
      record: this.record,
      peers: this.#peers,
      households: this.#households,
      now: () => this.#mishaps.trueMs,
      onSent: (sent) => this.auditor.onSent(sent),
      onAnswer: (sent, answer) => this.auditor.onAnswer(sent, answer),
      onCommand: () => this.#desk.changeCard(),
      onFault: (what) => this.#fault(what),
    })
  }

  get #network(): NetworkFaults {
    return this.#isCalm ? { ...perfectNetwork, latencyMs: this.#swarm.network.latencyMs } : this.#swarm.network
  }

  /** The process that peers reach: the youngest that is ready. */
  get #current(): Host | undefined {
    return this.#hosts.findLast((host) => host.isReady)
  }

  get sent(): number {
    return this.#traffic.all.length
  }

  #fault(what: string): void {
    this.coverage.fault(what)
    this.record.note(`fault: ${what}`)
  }

  #onDefect(what: string): void {
    this.record.note(`defect: ${what}`)
    this.#defect ??= what
  }

  /**
   * Runs a seed: first everything may go wrong, then nothing does any more and everything must come right.
   * @param events transactions that are begun
   * @throws Violation
   */
  async run(events: number): Promise<void> {
    this.#startHost()
    await this.#advance(this.agenda.nowMs + 2_000)
    for (const peer of this.#peers.values()) peer.connect()
    this.#mishaps.schedule()
    const chance = this.#chance.fork('arrivals')
    for (let event = 0; event < events; event++) {
      const pause = chance.happens(0.3) ? 0 : this.#swarm.betweenMs * -Math.log(1 - chance.next())
      await this.#advance(this.agenda.nowMs + pause)
      this.#traffic.begin()
    }
    await this.#advance(this.agenda.nowMs + 2_000)
    await this.#converge()
  }

  async #advance(untilMs: number): Promise<void> {
    await this.agenda.run(untilMs, () => this.#defect !== undefined)
    if (this.#defect !== undefined) throw new Violation('the program meets no defect of its own', this.#defect)
  }

  #startHost(): void {
    const host = new Host({
      name: `process ${++this.#hostCount}`,
      swarm: this.#swarm,
      agenda: this.agenda,
      server: this.#server,
      keys: this.#keys,
      catalogue: this.#catalogue,
      policy: policyOf(this.#swarm),
      now: () => this.#mishaps.hostMs,
      lateMs: () => (this.#swarm.lateModule ? this.#faultChance.next() * 4 : 0),
      onEvent: (what) => this.record.note(what),
      onDefect: (what) => this.#onDefect(what),
      onFenced: (fenced) => this.#retire(fenced),
    })
    this.#hosts.push(host)
    void host.start().then((isReady) => {
      if (isReady || !host.isAlive) return
      host.kill()
      this.agenda.after(RESTART_MS, () => this.#replace(host))
    })
  }

  #replace(host: Host): void {
    this.#hosts = this.#hosts.filter((one) => one !== host)
    if (this.#hosts.length === 0) this.#startHost()
  }

  #kill(host: Host): void {
    host.kill()
    this.record.note(`${host.name} dies`)
    this.agenda.after(RESTART_MS, () => this.#replace(host))
  }

  /** A process that has lost a lane ends soon after. */
  #retire(host: Host): void {
    if (this.#doomed === host) return
    this.#doomed = host
    this.agenda.after(RESTART_MS, () => {
      if (host.isAlive) this.#kill(host)
    })
  }

  async #converge(): Promise<void> {
    this.record.note('all faults end')
    this.#isCalm = true
    this.#mishaps.calmDown()
    for (const link of this.#swarm.macLinks) this.#peers.get(link as LinkName)?.useNewestKey()
    for (const peer of this.#peers.values()) peer.reconnect()
    this.#traffic.calmDown()
    const untilMs = this.agenda.nowMs + CONVERGENCE_MS
    while (this.agenda.nowMs < untilMs && this.#outstanding() !== undefined) {
      await this.#advance(this.agenda.nowMs + STEP_MS)
      for (const host of this.#hosts) if (host.isOvertaken(this.#ledger.tables.lanes)) this.#retire(host)
    }
    const left = this.#outstanding()
    if (left !== undefined) throw new Violation('when faults end, everything comes right', left)
    this.auditor.checkEnd(this.#ledger.tables, this.#mishaps.hostMs)
  }

  /** What has not come right yet; undefined when everything has. */
  #outstanding(): string | undefined {
    const [unanswered] = this.#traffic.outstanding
    if (unanswered !== undefined) return `#${unanswered.number} ${unanswered.kind} has no answer`
    const host = this.#current
    if (host === undefined || !host.isRunning) return `lanes do not run: ${host?.laneStates ?? 'no process is ready'}`
    const nowMs = this.#mishaps.hostMs
    const { tables } = this.#ledger
    for (const { row, ending } of tables.holds.values()) {
      if (ending === undefined && row.expiresAtMs <= nowMs) return `hold ${row.id} is past its time and open`
    }
    const month = Math.floor(cairoDate(nowMs) / 100)
    const last = month % 100 === 1 ? month - 89 : month - 1
    for (const { id, closedMonth } of tables.households.values()) {
      if (closedMonth < last) return `household ${id} is closed to ${closedMonth}, and ${last} is over`
    }
    const open = tables.inbox.find(({ outcome }) => outcome === undefined)
    return open === undefined ? undefined : `command ${open.command.id} is not done`
  }
}
