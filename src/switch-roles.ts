import { MizanError } from './errors.ts'
import {
  type ActiveBeat,
  beatActive,
  beatStandby,
  endStandby,
  HANDOVER_CHANNEL,
  LANES_CHANNEL,
  type LaneSighting,
  type ProcessIdentity,
  releaseLanes,
  thisProcess,
} from './store/availability.ts'
import { type ChangeWatch, watchChanges } from './store/change-watch.ts'
import { connect } from './store/connection.ts'
import { requireInstallation } from './store/installation.ts'
import { type ActiveSwitch, activate } from './switch-active.ts'
import type { SwitchBase } from './switch-base.ts'
import { type Takeover, TakeoverWatch } from './switch-takeover.ts'
import * as events from './telemetry/availability-events.ts'
import type { ProcessRole } from './telemetry/availability-metrics.ts'
import { unexpectedError } from './telemetry/events.ts'

/** Why a switch stopped by itself: it lost its lanes, gave them up as it was asked to, or a defect ended one. */
export type EndReason = 'fenced' | 'handed-over' | 'failed'

/** A fenced process answers what it has, which is refusals, and then closes its links. */
const FENCED_DRAIN_MS = 500
/** There is nothing to save in it: what it still holds up may be a connection that is dead. */
const FENCED_STOP_MS = 5_000
const QUERY_TIMEOUT_MIN_MS = 1_000

/**
 * Who this process is: the one that writes the lanes and answers, or one that stands by until they are free. Changes of
 * role come one after another. Heartbeats only say when to take over; what protects the ledger is the fence of each
 * commit (docs/availability.md).
 */
export class SwitchRoles {
  readonly ended: Promise<EndReason>
  readonly #base: SwitchBase
  readonly #httpPort: number
  readonly #self: ProcessIdentity = thisProcess()
  readonly #takeovers: TakeoverWatch
  #end: (reason: EndReason) => void = () => undefined
  #role: ProcessRole = 'starting'
  #active: ActiveSwitch | undefined
  #watch: ChangeWatch | undefined
  #turn: Promise<void> = Promise.resolve()
  #stopped = false
  /** Heartbeats failed and have not worked again since. */
  #blind = false

  constructor(base: SwitchBase, httpPort: number) {
    this.#base = base
    this.#httpPort = httpPort
    this.#takeovers = new TakeoverWatch(this.#self.instance, base.config.availability)
    this.ended = new Promise((resolve) => {
      this.#end = resolve
    })
    this.#play('starting')
  }

  get role(): ProcessRole {
    return this.#role
  }

  /** What answers, while this process does. */
  get active(): ActiveSwitch | undefined {
    return this.#role === 'active' ? this.#active : undefined
  }

  /** Whether heartbeats go through. */
  get seesDatabase(): boolean {
    return !this.#blind
  }

  /** Begins in a role. @throws MizanError when the lanes or a port cannot be had */
  async start(role: 'active' | 'standby'): Promise<void> {
    const begun = role === 'active' ? this.#becomeActive(undefined) : Promise.resolve(this.#standBy())
    this.#turn = begun.catch(() => undefined)
    await begun
  }

  /**
   * Closes the links in order. The lanes go on, and so do the heartbeats: no standby takes over from a process that
   * still answers. Idempotent.
   */
  async drain(): Promise<void> {
    this.#stopped = true
    await this.#turn
    this.#play('stopping')
    await this.#active?.drain()
  }

  /**
   * Answers what is in flight, gives the lanes up so that a standby has them at once, and plays no part any more.
   * @returns whether everything stopped as it should
   */
  async stop(): Promise<boolean> {
    await this.drain().catch((error: unknown) => unexpectedError(this.#base.log, { where: 'drain' }, error))
    await this.#watch?.close()
    if (this.#active !== undefined) return this.#giveUp(this.#active)
    await this.#once('mizan standby ends', endStandby)
    return true
  }

  #play(role: ProcessRole): void {
    this.#role = role
    this.#base.metrics.availability.play(role)
  }

  /** Does a change of role after the one under way; a process that stops changes no more. */
  #change(work: () => Promise<void>): void {
    this.#turn = this.#turn.then(async () => {
      if (this.#stopped) return
      try {
        await work()
      } catch (error) {
        unexpectedError(this.#base.log, { where: 'change of role' }, error)
      }
    })
  }

  async #becomeActive(takeover: Takeover | undefined): Promise<void> {
    let opened: ActiveSwitch | undefined
    const active = await activate(this.#base, this.#httpPort, {
      ...(takeover === undefined ? {} : { expectedEpochs: takeover.epochs }),
      onFenced: () => this.#change(() => this.#lost(opened)),
      onFailed: () => this.#change(() => this.#failed(opened)),
    })
    opened = active
    this.#active = active
    this.#play('active')
    this.#watch = this.#heartbeats('mizan heartbeat', HANDOVER_CHANNEL, {
      look: async (client) => {
        const lanes = active.lanes()
        return { lanes, beat: await beatActive(client, this.#self, lanes) }
      },
      onChange: ({ lanes, beat }) => this.#onBeat(active, lanes, beat),
    })
  }

  #onBeat(active: ActiveSwitch, asked: ReturnType<ActiveSwitch['lanes']>, beat: ActiveBeat): void {
    this.#blind = false
    this.#base.metrics.availability.standbys.set(beat.standbys)
    const now = active.lanes()
    // A lane that recovers takes a new epoch of its own meanwhile, and learns by itself whether it is lost.
    const same = (lane: number) => {
      const [before, after] = [asked, now].map((lanes) => lanes.find((one) => one.lane === lane))
      return before?.epoch === after?.epoch && after?.running === true
    }
    if (beat.lost.some(same)) this.#change(() => this.#lost(active))
    else if (beat.handover) this.#change(() => this.#handOver(active, beat.standbys))
  }

  /** Another process has the lanes. */
  async #lost(active: ActiveSwitch | undefined): Promise<void> {
    if (active === undefined || this.#active !== active || this.#role !== 'active') return
    const { log, metrics, config } = this.#base
    const exits = config.availability.role === 'active'
    metrics.availability.fenced.inc()
    events.writerFenced(log, { lanes: active.lanes().map(({ lane }) => lane), next: exits ? 'exit' : 'standby' })
    this.#play('stopping')
    await this.#watch?.close()
    await active.stop({ drainMs: FENCED_DRAIN_MS, allMs: FENCED_STOP_MS })
    this.#active = undefined
    if (exits) this.#end('fenced')
    else this.#standBy()
  }

  /** A defect ended a lane: a process that begins anew, or the standby, goes on from the journal. */
  async #failed(active: ActiveSwitch | undefined): Promise<void> {
    if (active === undefined || this.#active !== active || this.#role !== 'active') return
    this.#play('stopping')
    await active.drain()
    await this.#watch?.close()
    await this.#giveUp(active)
    this.#active = undefined
    this.#end('failed')
  }

  async #handOver(active: ActiveSwitch, standbys: number): Promise<void> {
    if (this.#active !== active || this.#role !== 'active') return
    const { log, config } = this.#base
    const beganMs = performance.now()
    events.handingOver(log, { standbys })
    this.#play('stopping')
    // Until the links are closed the heartbeats say that the lanes are in good hands.
    await active.drain()
    await this.#watch?.close()
    await this.#giveUp(active)
    this.#active = undefined
    events.handedOver(log, { tookMs: Math.round(performance.now() - beganMs) })
    if (config.availability.role === 'active') this.#end('handed-over')
    else this.#standBy()
  }

  async #giveUp(active: ActiveSwitch): Promise<boolean> {
    const isClean = await active.stop()
    await this.#once('mizan release', releaseLanes)
    return isClean
  }

  #standBy(): void {
    const { config, log, version } = this.#base
    const { takeoverAfterMs } = config.availability
    this.#takeovers.reset()
    this.#play('standby')
    events.standingBy(log, { instance: this.#self.instance, httpPort: this.#httpPort, takeoverAfterMs })
    this.#watch = this.#heartbeats('mizan standby', LANES_CHANNEL, {
      look: (client) => beatStandby(client, this.#self, version),
      onChange: (lanes) => this.#onSighting(lanes),
    })
  }

  #onSighting(lanes: readonly LaneSighting[]): void {
    this.#blind = false
    const takeover = this.#takeovers.see(lanes, performance.now())
    if (takeover !== undefined) this.#change(() => this.#takeOver(takeover))
  }

  async #takeOver(takeover: Takeover): Promise<void> {
    if (this.#role !== 'standby') return
    const { config, database, log, metrics, programmes, reference, keyService } = this.#base
    const { reason, silentMs, from, epochs } = takeover
    const beganMs = performance.now()
    events.takeoverBegins(log, { reason, silentMs: Math.round(silentMs), from })
    this.#play('starting')
    await this.#watch?.close()
    try {
      // A newer version may have changed the schema since this process joined; and what people changed last must not be
      // missed.
      await requireInstallation(database.url, config.lanes.count)
      await Promise.all([programmes.refresh(), reference.watch.poll(), keyService.refresh()])
      await this.#becomeActive(takeover)
      metrics.availability.takeovers.child(reason).inc()
      events.takeoverDone(log, { reason, tookMs: Math.round(performance.now() - beganMs), epochs })
      await this.#once('mizan standby ends', endStandby)
    } catch (error) {
      events.takeoverFailed(log, error)
      if (!(error instanceof MizanError)) unexpectedError(log, { where: 'takeover' }, error)
      this.#standBy()
    }
  }

  #heartbeats<Found>(
    name: string,
    channel: string,
    {
      look,
      onChange,
    }: { look: (client: Parameters<typeof beatStandby>[0]) => Promise<Found>; onChange: (found: Found) => void },
  ): ChangeWatch {
    const { config, database, log, metrics } = this.#base
    const { heartbeatMs, takeoverAfterMs } = config.availability
    return watchChanges<Found>({
      url: database.url,
      name,
      channel,
      look,
      onChange,
      onError: (error) => {
        this.#blind = true
        metrics.availability.heartbeatFailures.inc()
        events.heartbeatFailed(log, error)
      },
      intervalMs: heartbeatMs,
      queryTimeoutMs: Math.max(QUERY_TIMEOUT_MIN_MS, takeoverAfterMs),
    })
  }

  /**
   * One statement over a connection of its own; without the database it is left out: heartbeats that end say the same.
   */
  async #once(name: string, work: (client: Parameters<typeof endStandby>[0], self: ProcessIdentity) => Promise<void>) {
    try {
      const url = this.#base.database.url
      const client = await connect({ url, name, role: 'mizan_app', queryTimeoutMs: QUERY_TIMEOUT_MIN_MS })
      await work(client, this.#self).finally(() => client.end())
    } catch (error) {
      events.heartbeatFailed(this.#base.log, error)
    }
  }
}
