import type { Command } from 'commander'

/** Options that most commands have. */
export interface CommonOptions {
  readonly config?: string
  readonly json: boolean
}

/** Adds the options that most commands have. */
export function withCommonOptions(command: Command): Command {
  return command
    .option('--config <file>', 'configuration file (JSON); see docs/configuration.md')
    .option('--json', 'print JSON', false)
}
