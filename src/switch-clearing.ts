import {
  addDays,
  businessDate,
  businessDayEnd,
  type CivilDate,
  type Clock,
  civilDate,
  civilInstant,
} from './calendar.ts'
import { closeDayStep } from './clearing/day/close-day-step.ts'
import { type DayWatch, type DayWatchOptions, watchDays } from './clearing/day/day-watch.ts'
import { runDays } from './clearing/day/machine.ts'
import type { DayStep } from './clearing/day/step.ts'
import { trialBalanceStep } from './clearing/day/trial-balance-step.ts'
import { balanceStep } from './clearing/outgoing/balance-step.ts'
import { selectStep } from './clearing/outgoing/select-step.ts'
import { writeStep } from './clearing/outgoing/write-step.ts'
import { identityOf } from './clearing/settlement/identity.ts'
import { settleStep } from './clearing/settlement/step.ts'
import type { Config } from './config/config.ts'
import { MizanError } from './errors.ts'
import { cutoverJob } from './jobs/cutover-job.ts'
import type { NamedJob } from './jobs/scheduler.ts'
import type { PeerCutover } from './link/cutover.ts'
import type { PanProtection } from './security/pan-protection.ts'
import type { DaysSeen } from './store/clearing/business-day.ts'
import { askCutover } from './store/clearing/business-day-ask.ts'
import { type KeptConnection, keptConnection } from './store/kept-connection.ts'
import type { Background } from './switch-background.ts'
import type { SwitchBase } from './switch-base.ts'
import { fileStepOptions } from './switch-clearing-files.ts'
import { deliveryOptions, deliverySteps } from './switch-delivery.ts'
import type { Parts } from './switch-parts.ts'
import * as events from './telemetry/day-events.ts'
import type { DayMetrics } from './telemetry/day-metrics.ts'

/** What steps are made of. */
export interface DayStepWiring {
  readonly config: Config
  /** Reads card numbers for the card scheme's file. */
  readonly protection: Pick<PanProtection, 'decrypt'>
}

/** The steps of a business day, for the switch and the command line alike. */
export function daySteps({ config, protection }: DayStepWiring): DayStep[] {
  const { businessDay, clearing } = config
  const { writerStallMs } = clearing.settlement
  const files = fileStepOptions(config, protection)
  return [
    closeDayStep({ tell: businessDay.tellCutover }),
    trialBalanceStep(),
    selectStep(files),
    writeStep(files),
    balanceStep(),
    settleStep({ identity: identityOf(clearing), cutoverMinutes: businessDay.cutoverMinutes, writerStallMs }),
    ...deliverySteps(deliveryOptions(config)),
  ]
}

/** Business days of a running switch. */
export interface OpenDays {
  /** The job that ends the day at its time, unless the configuration says that people do. */
  readonly jobs: readonly NamedJob[]
  /** A network says that it ended its day: ends ours too, if the configuration says so. Durable when it resolves. */
  onNetworkCutover(cutover: PeerCutover): Promise<void>
  close(): Promise<void>
}

/**
 * Opens the closing of days; a process without jobs takes messages of networks and leaves the rest to others.
 * @param background where days are closed; undefined = here
 */
export function openDays(base: SwitchBase, parts: Parts, background: Background | undefined): OpenDays {
  const { config, clock, log, metrics, database } = base
  const { cutoverMinutes, automatic, lookAgainSeconds } = config.businessDay
  const { url } = database
  const asking = keptConnection({ url, name: 'mizan network cutover', role: 'mizan_app', queryTimeoutMs: 5_000 })
  parts.add(() => asking.close())
  const onNetworkCutover = networkCutovers(base, asking)
  if (!config.jobs.enabled) return { jobs: [], onNetworkCutover, close: async () => undefined }
  const watch: DayWatch = watchDays({
    url,
    log,
    run: dayRuns(base, background),
    lookAgainMs: lookAgainSeconds * 1_000,
    onSeen: (seen) => measure(metrics.days, seen, { clock, cutoverMinutes }),
    onClosed: (dates) => metrics.days.closed.inc(dates.length),
  })
  parts.add(() => watch.close())
  const job = cutoverJob({ url, clock, cutoverMinutes, goOn: () => watch.poll() })
  return { jobs: automatic ? [job] : [], onNetworkCutover, close: () => watch.close() }
}

function dayRuns(base: SwitchBase, background: Background | undefined): DayWatchOptions['run'] {
  const { config, clock, log, database, keys } = base
  if (background !== undefined) return (signal) => background.run('days', undefined, signal)
  const steps = daySteps({ config, protection: keys.protection })
  const { folder } = config.clearing
  return (signal) => runDays({ url: database.url, folder, steps, log, nowMs: () => clock.now(), signal })
}

/** What a cutover message of a network does, where one ends the day. */
function networkCutovers({ config, clock, log }: SwitchBase, asking: KeptConnection): OpenDays['onNetworkCutover'] {
  const { cutoverOnMessageOf, cutoverMessageDate, cutoverMinutes } = config.businessDay
  return async (cutover) => {
    if (cutover.link !== cutoverOnMessageOf) return
    const nowMs = clock.now()
    const byClock = businessDate(nowMs, cutoverMinutes)
    const named = dateNamed(cutover, cutoverMessageDate, nowMs)
    const by = `message:${cutover.link}`
    try {
      const { date, asked } = await asking.use((client) => askCutover(client, { date: named, byClock, by }))
      if (asked.length > 0) events.cutoverAsked(log, { businessDate: date, days: asked.length, by })
    } catch (error) {
      // The network has closed its day whatever ours is at: its message is answered as noted.
      if (!(error instanceof MizanError) || error.code !== 'CONFLICT') throw error
      events.cutoverRefused(log, { by }, error)
    }
  }
}

/** The day that has ended by a message's DE15; undefined where it has none. */
function dateNamed(
  { settlementDate }: PeerCutover,
  names: Config['businessDay']['cutoverMessageDate'],
  nearMs: number,
): CivilDate | undefined {
  const noon = settlementDate === undefined ? undefined : civilInstant(`${settlementDate}120000`, nearMs)
  if (noon === undefined) return undefined
  return addDays(civilDate(noon), names === 'next' ? -1 : 0)
}

function measure(
  metrics: DayMetrics,
  { closing, oldest, step, firstOpen }: DaysSeen,
  { clock, cutoverMinutes }: { readonly clock: Clock; readonly cutoverMinutes: number },
): void {
  metrics.closing.set(closing)
  metrics.step.reset()
  if (step !== undefined) metrics.step.set({ step: step.name, state: step.state }, 1)
  const nowMs = clock.now()
  const hasStopped = step !== undefined && ['waiting', 'blocked', 'failed'].includes(step.state)
  metrics.stoppedSeconds.set(hasStopped ? Math.max(0, nowMs - (step.sinceMs ?? nowMs)) / 1_000 : 0)
  const ends = [oldest?.askedAtMs, firstOpen === undefined ? undefined : businessDayEnd(firstOpen, cutoverMinutes)]
  const first = Math.min(...ends.filter((one) => one !== undefined))
  metrics.overdueSeconds.set(first < nowMs ? (nowMs - first) / 1_000 : 0)
}
