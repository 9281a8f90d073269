import { Command } from 'commander'
import { loadConfig } from '../config/config.ts'
import { collectRarely } from '../heap.ts'
import { startSwitch } from '../switch.ts'
import { version } from './version.ts'

/** How long an orderly stop may take before the process ends anyway. */
const FORCED_EXIT_MS = 60_000

/** `mizan start`: runs the switch until SIGTERM or SIGINT. */
export function startCommand(): Command {
  return new Command('start')
    .description('run the switch')
    .option('--config <file>', 'configuration file (JSON); see docs/configuration.md')
    .action(async (options: { config?: string }) => {
      collectRarely()
      const config = loadConfig({
        env: process.env,
        ...(options.config === undefined ? {} : { file: options.config }),
      })
      const running = await startSwitch(config, version)
      const { ascii, visa, bcd, http } = running.ports
      process.stdout.write(
        `mizan ${version} is ready\n` +
          `  iso87-ascii  ${config.listeners.ascii.host}:${ascii}\n` +
          `  visa-base1   ${config.listeners.visa.host}:${visa}\n` +
          `  iso87-bcd    ${config.listeners.bcd.host}:${bcd}\n` +
          `  http         http://${config.http.host}:${http}  (/readyz, /metrics)\n` +
          `  data         ${config.varDir}\n`,
      )
      const stop = (signal: string) => {
        setTimeout(() => process.exit(1), FORCED_EXIT_MS).unref()
        void running.stop(signal).then(() => process.exit(0))
      }
      process.on('SIGTERM', () => stop('SIGTERM'))
      process.on('SIGINT', () => stop('SIGINT'))
    })
}
