import { Command } from 'commander'
import { type AccessKey, listAccessKeys, revokeAccessKey } from '../store/access-keys.ts'
import { atAccess, changeNoted, systemActor } from './access-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'

/** `mizan api-key`: the keys of programs. They are made by an administrator through the API, who answers for them. */
export function apiKeyCommand(io: CommandIo = processIo): Command {
  return new Command('api-key')
    .description('keys by which programs call the HTTP API; they are made through the API, by who answers for them')
    .addCommand(listCommand(io))
    .addCommand(revokeCommand(io))
}

function listCommand(io: CommandIo): Command {
  const command = new Command('list').description('list the keys, revoked ones too, the newest first')
  return withCommonOptions(command).action((options: CommonOptions) =>
    atAccess(io, options, async ({ client }) => {
      const keys = await listAccessKeys(client)
      if (options.json) io.out(`${JSON.stringify(keys)}\n`)
      for (const key of options.json ? [] : keys) io.out(`${lineOf(key)}\n`)
    }),
  )
}

function lineOf({ id, label, roles, networks, createdBy, expiresAtMs, usedAtMs, revokedAtMs }: AccessKey): string {
  const at = (ms: number) => new Date(ms).toISOString()
  const end = revokedAtMs === undefined ? `holds until ${at(expiresAtMs)}` : `revoked ${at(revokedAtMs)}`
  const use = usedAtMs === undefined ? 'never used' : `last used ${at(usedAtMs)}`
  const from = networks.length === 0 ? '' : ` from ${networks.join(', ')}`
  return `${id}  ${label} (${roles.join(', ')})${from}; made by ${createdBy}; ${use}; ${end}`
}

function revokeCommand(io: CommandIo): Command {
  const command = new Command('revoke').description('revoke a key for good').argument('<id>', 'as the list shows it')
  return withCommonOptions(command).action((id: string, options: CommonOptions) =>
    atAccess(io, options, async ({ client }) => {
      await changeNoted(io, client, { action: 'api-key revoke', detail: { key: id } }, () =>
        revokeAccessKey(client, id, systemActor(io)),
      )
      io.out(options.json ? `${JSON.stringify({ id, revoked: true })}\n` : `key ${id} is revoked\n`)
    }),
  )
}
