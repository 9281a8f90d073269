import { Command } from 'commander'
import { describeConfig, loadConfig } from '../config/config.ts'

/** `mizan config`: the configuration as the switch would run with it. */
export function configCommand(): Command {
  return new Command('config')
    .description('print the effective configuration as JSON, secrets masked')
    .option('--config <file>', 'configuration file (JSON)')
    .action((options: { config?: string }) => {
      const config = loadConfig({
        env: process.env,
        ...(options.config === undefined ? {} : { file: options.config }),
      })
      process.stdout.write(`${JSON.stringify(describeConfig(config), null, 2)}\n`)
    })
}
