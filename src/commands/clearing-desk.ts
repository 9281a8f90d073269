import { businessDate, type CivilDate } from '../calendar.ts'
import type { DeliverWork } from '../clearing/delivery/deliver-step.ts'
import type { DeliveryOptions } from '../clearing/delivery/options.ts'
import type { Config } from '../config/config.ts'
import { deliveryOptions } from '../switch-delivery.ts'
import { createLogger } from '../telemetry/logger.ts'
import { DAY_MS } from '../time-units.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, dateOption } from './common-options.ts'
import { atDatabase, type DatabaseDesk } from './database-desk.ts'
import { stepLine } from './load-progress.ts'

/** What commands on the delivery of clearing files work with. */
export interface DeliveryDesk extends DatabaseDesk {
  readonly delivery: DeliveryOptions
}

/** Opens the database of an installation for work on the delivery of clearing files. */
export function atDelivery(
  io: CommandIo,
  options: Pick<CommonOptions, 'config'>,
  work: (desk: DeliveryDesk) => Promise<void>,
): Promise<void> {
  return atDatabase(io, options, 'mizan clearing', (desk) => work({ ...desk, delivery: deliveryOptions(desk.config) }))
}

/** A business date on the command line. @throws MizanError BAD_INPUT */
export function dateArgument(text: string): CivilDate {
  return dateOption(text, 'the business date')
}

/** The business date that was closed last, by the clock. */
export function lastDate(config: Config, nowMs = Date.now()): CivilDate {
  return businessDate(nowMs - DAY_MS, config.businessDay.cutoverMinutes)
}

/** What work with files says and minds, when a command does it. */
export function commandWork(io: CommandIo, config: Config, date: CivilDate): Omit<DeliverWork, 'actor'> {
  return {
    businessDate: date,
    signal: new AbortController().signal,
    nowMs: () => Date.now(),
    log: createLogger({ level: config.log.level === 'info' ? 'warn' : config.log.level, pretty: config.log.pretty }),
    progress: stepLine(io),
  }
}
