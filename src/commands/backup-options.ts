import path from 'node:path'
import type { Command } from 'commander'
import { type Config, loadConfig } from '../config/config.ts'
import { MizanError } from '../errors.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'

/** Options of the commands on a backup folder. */
export interface FolderOptions extends CommonOptions {
  readonly folder?: string
}

/** Adds the options of the commands on a backup folder. */
export function withFolder(command: Command): Command {
  return withCommonOptions(command).option(
    '--folder <folder>',
    'backup folder; default: backup.folder of the configuration',
  )
}

/**
 * The configuration and the backup folder that a command works on.
 * @throws MizanError BAD_INPUT when there is none
 */
export function folderOf(
  io: Pick<CommandIo, 'env'>,
  options: FolderOptions,
): { readonly config: Config; readonly folder: string } {
  const config = loadConfig({ env: io.env, ...(options.config === undefined ? {} : { file: options.config }) })
  const folder = options.folder ?? config.backup?.folder
  if (folder !== undefined) return { config, folder: path.resolve(folder) }
  throw new MizanError(
    'BAD_INPUT',
    'there is no backup folder: set backup.folder in the configuration, or give --folder',
  )
}
