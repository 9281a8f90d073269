import { Command } from 'commander'
import { type Config, loadConfig } from '../config/config.ts'
import { collectRarely } from '../heap.ts'
import { type Switch, startSwitch } from '../switch.ts'
import { version } from './version.ts'

/**
 * Exit status of a process that lost its lanes to another one. It must not be started again as the active one: the two
 * would take the lanes from each other in turn.
 */
const FENCED_STATUS = 3
/** How long an orderly stop may take before the process ends anyway. */
const FORCED_EXIT_MS = 60_000

/** `mizan start`: runs the switch until SIGTERM or SIGINT. */
export function startCommand(): Command {
  return new Command('start')
    .description('run the switch')
    .option('--config <file>', 'configuration file (JSON); see docs/configuration.md')
    .option('--standby', 'stand by, and take over when the process that answers is gone; see docs/availability.md')
    .addHelpText(
      'after',
      `\nExit status: 0 stopped in good order, 1 failed, ${FENCED_STATUS} another process took the lanes over.`,
    )
    .action(async (options: { config?: string; standby?: true }) => {
      collectRarely()
      const config = loadConfig({
        env: process.env,
        ...(options.config === undefined ? {} : { file: options.config }),
        ...(options.standby === true ? { role: 'standby' } : {}),
      })
      const running = await startSwitch(config, version)
      process.stdout.write(running.role === 'standby' ? standingBy(config, running) : ready(config, running))
      const stop = (reason: string, status = 0) => {
        setTimeout(() => process.exit(1), FORCED_EXIT_MS).unref()
        void running.stop(reason).then(() => process.exit(status))
      }
      void running.ended.then((reason) => stop(reason, reason === 'fenced' ? FENCED_STATUS : 0))
      process.on('SIGTERM', () => stop('SIGTERM'))
      process.on('SIGINT', () => stop('SIGINT'))
    })
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
