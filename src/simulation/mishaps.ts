import type { Agenda } from './agenda.ts'
import { cairoDate } from './cairo.ts'
import type { Chance } from './chance.ts'
import type { Desk } from './desk.ts'
import type { Host, LinkName } from './host.ts'
import type { Server } from './journal.ts'
import type { Peer } from './peer.ts'
import type { LinkKeys } from './security.ts'
import type { Swarm } from './swarm.ts'

/** What the mishaps of a run take hold of. */
export interface MishapTargets {
  readonly swarm: Swarm
  readonly agenda: Agenda
  readonly chance: Chance
  readonly server: Server
  readonly keys: LinkKeys
  readonly peers: ReadonlyMap<LinkName, Peer>
  readonly desk: Desk
  /** The process that peers reach. */
  current(): Host | undefined
  /** Processes that there are, ready or not. */
  hostCount(): number
  startHost(): void
  kill(host: Host): void
  onFault(what: string): void
}

/** What goes wrong with processes, the database, clocks and keys of a run, and the time that its clocks show. */
export class Mishaps {
  readonly #targets: MishapTargets
  #skippedMs = 0
  #skewMs = 0
  #isCalm = false

  constructor(targets: MishapTargets) {
    this.#targets = targets
  }

  get trueMs(): number {
    const { swarm, agenda } = this.#targets
    return swarm.startMs + agenda.nowMs + this.#skippedMs
  }

  /** What the clock of the switch shows. */
  get hostMs(): number {
    return Math.floor(this.trueMs + this.#skewMs)
  }

  /** Nothing goes wrong any more, and clocks are right. */
  calmDown(): void {
    this.#isCalm = true
    this.#skewMs = 0
    this.#targets.server.awayUntilMs = 0
  }

  /** Lets each kind come as often as the world of the seed says. */
  schedule(): void {
    const { swarm, agenda, chance, server, desk, current, hostCount, startHost, kill, onFault } = this.#targets
    const { crashEveryMs, fenceEveryMs, outageEveryMs, clockEveryMs, skipEveryMs, keyEveryMs, cutoverEveryMs } = swarm
    this.#often(crashEveryMs, () => {
      const host = current()
      if (host === undefined) return
      onFault('crash')
      kill(host)
    })
    this.#often(fenceEveryMs, () => {
      if (hostCount() !== 1 || current() === undefined) return
      onFault('second-writer')
      startHost()
    })
    this.#often(outageEveryMs, () => {
      onFault('outage')
      server.awayUntilMs = agenda.nowMs + swarm.outageMs * chance.next()
    })
    this.#often(clockEveryMs, () => this.#jump())
    this.#often(skipEveryMs, () => this.#skip())
    this.#often(keyEveryMs, () => this.#rotateKeys())
    this.#often(cutoverEveryMs, () => {
      onFault('cutover')
      desk.closeDay()
    })
  }

  #often(everyMs: number, work: () => void): void {
    if (everyMs === 0) return
    const { agenda, chance } = this.#targets
    const again = () => {
      agenda.after(everyMs * -Math.log(1 - chance.next()), () => {
        if (this.#isCalm) return
        work()
        again()
      })
    }
    again()
  }

  /** The clock of the switch goes wrong, or right again. */
  #jump(): void {
    const { chance, swarm, onFault } = this.#targets
    this.#skewMs = chance.happens(0.4) ? 0 : Math.round((2 * chance.next() - 1) * swarm.clockJumpMs)
    onFault(this.#skewMs === 0 ? 'clock-right' : this.#skewMs > 0 ? 'clock-ahead' : 'clock-behind')
  }

  /** Hours or days in which nothing happens. */
  #skip(): void {
    const { chance, onFault } = this.#targets
    const hours = chance.pick([0.02, 1, 6, 24, 24, 72, 24 * 8])
    const before = cairoDate(this.trueMs)
    this.#skippedMs += Math.round(hours * 3_600_000 * (0.5 + chance.next()))
    const after = cairoDate(this.trueMs)
    if (Math.floor(before / 100) !== Math.floor(after / 100)) onFault('month-passes')
    else if (before !== after) onFault('day-passes')
    else onFault('time-passes')
  }

  #rotateKeys(): void {
    const { swarm, agenda, chance, keys, peers, onFault } = this.#targets
    const [link] = swarm.macLinks
    if (link === undefined) return
    const name = chance.pick(swarm.macLinks)
    onFault('key-rotation')
    keys.rotate(name)
    agenda.after(chance.spread(10, 4_000), () => peers.get(name as LinkName)?.useNewestKey())
    agenda.after(chance.spread(20, 8_000), () => keys.retire(name))
  }
}
