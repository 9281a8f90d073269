import { Command } from 'commander'
import { describeConfig, loadConfig } from '../config/config.ts'
import { withCommonOptions } from './common-options.ts'

/** `mizan config`: the configuration as the switch would run with it. */
export function configCommand(): Command {
  const command = new Command('config').description('print the effective configuration as JSON, secrets masked')
  // It prints JSON with and without --json: whoever scripts need not know which commands do.
  return withCommonOptions(command).action((options: { config?: string }) => {
    const config = loadConfig({
      env: process.env,
      ...(options.config === undefined ? {} : { file: options.config }),
    })
    process.stdout.write(`${JSON.stringify(describeConfig(config), null, 2)}\n`)
  })
}
