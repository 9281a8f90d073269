import { constants } from 'node:os'
import { Command } from 'commander'
import { type Config, loadConfig } from '../config/config.ts'
import { describeError } from '../errors.ts'
import { tuneHeap } from '../heap.ts'
import { type Switch, startSwitch } from '../switch.ts'
import type { EndReason } from '../switch-roles.ts'
import { createLogger } from '../telemetry/logger.ts'
import { DEFECT_STATUS, endOnDefect } from '../uncaught.ts'
import { version } from './version.ts'

/**
 * Exit status of a process that lost its lanes to another one. It must not be started again as the active one: the two
 * would take the lanes from each other in turn.
 */
const FENCED_STATUS = 3
const endStatus: Readonly<Record<EndReason, number>> = {
  fenced: FENCED_STATUS,
  'handed-over': 0,
  failed: DEFECT_STATUS,
}
/** It has nothing to lose any more, and whoever watches it waits for its end. */
const FENCED_FORCE_MS = 10_000
const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const
/**
 * A signal sent to a group of processes comes twice: from the terminal, and passed on by the program that started us.
 */
const SAME_SIGNAL_MS = 1_000
const SIGNAL_STATUS = 128

/** `mizan start`: runs the switch until SIGTERM or SIGINT. */
export function startCommand(): Command {
  return new Command('start')
    .description('run the switch')
    .option('--config <file>', 'configuration file (JSON); see docs/configuration.md')
    .option('--standby', 'stand by, and take over when the process that answers is gone; see docs/availability.md')
    .addHelpText(
      'after',
      `\nExit status: 0 stopped in good order, 1 failed or not stopped in order,\n${FENCED_STATUS} another process took the lanes over, ${DEFECT_STATUS} a defect of the program, ${SIGNAL_STATUS} and the signal's number when a second signal ended it.`,
    )
    .action(async (options: { config?: string; standby?: true }) => {
      tuneHeap()
      const config = loadConfig({
        env: process.env,
        ...(options.config === undefined ? {} : { file: options.config }),
        ...(options.standby === true ? { role: 'standby' } : {}),
      })
      endOnDefect(() => createLogger({ level: config.log.level, pretty: config.log.pretty }))
      const running = await startSwitch(config, version)
      process.stdout.write(running.role === 'standby' ? standingBy(config, running) : ready(config, running))
      const stop = stopper(running, config.shutdown.forceMs)
      void running.ended.then((reason) => stop(reason, endStatus[reason]))
      stopOnSignals(stop)
    })
}

/**
 * Stops a switch and ends the process: with the given status when everything stopped as it should, else 1, as when it
 * takes too long. A process that was fenced says so however it stopped.
 */
function stopper(running: Switch, forceMs: number): (reason: string, status?: number) => void {
  return (reason, status = 0) => {
    const isFenced = status === FENCED_STATUS
    const failed = isFenced ? FENCED_STATUS : 1
    const limitMs = isFenced ? Math.min(forceMs, FENCED_FORCE_MS) : forceMs
    setTimeout(() => giveUp(`not stopped in ${limitMs} ms; ended`, failed), limitMs).unref()
    running.stop(reason).then(
      (isClean) => process.exit(isClean ? status : failed),
      (error: unknown) => giveUp(describeError(error), failed),
    )
  }
}

/** Stops on the first signal; a second one ends the process at once, with 128 and the signal's number. */
function stopOnSignals(stop: (reason: string) => void): void {
  let askedMs: number | undefined
  for (const signal of STOP_SIGNALS) {
    process.on(signal, () => {
      if (askedMs === undefined) {
        askedMs = performance.now()
        stop(signal)
      } else if (performance.now() - askedMs >= SAME_SIGNAL_MS) {
        giveUp(`stopped at once by a second ${signal}`, SIGNAL_STATUS + constants.signals[signal])
      }
    })
  }
}

function giveUp(why: string, status: number): void {
  process.stderr.write(`mizan: ${why}\n`)
  process.exit(status)
}

function ready(config: Config, { ports: { ascii, visa, bcd, http } }: Switch): string {
  const { listeners } = config
  return (
    `mizan ${version} is ready\n` +
    `  iso87-ascii  ${listeners.ascii.host}:${ascii}\n` +
    `  visa-base1   ${listeners.visa.host}:${visa}\n` +
    `  iso87-bcd    ${listeners.bcd.host}:${bcd}\n` +
    `  http         http://${config.http.host}:${http}  (/readyz, /metrics)\n` +
    `  data         ${config.varDir}\n`
  )
}

function standingBy(config: Config, { ports: { http } }: Switch): string {
  return (
    `mizan ${version} stands by; it answers when the active process is gone\n` +
    `  http         http://${config.http.host}:${http}  (/healthz, /metrics)\n` +
    `  data         ${config.varDir}\n`
  )
}
