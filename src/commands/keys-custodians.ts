import { Command } from 'commander'
import { MizanError } from '../errors.ts'
import { hashSecret } from '../security/keys/custodian-secret.ts'
import { equalSecret, wipe } from '../security/primitives/secrets.ts'
import { addCustodian, disableCustodian, readCustodians } from '../store/custodian-store.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, printed, withCommonOptions } from './common-options.ts'
import { withTries } from './custodian-login.ts'
import { atKeyDesk, authorOf } from './keys-desk.ts'
import type { LineInput } from './line-input.ts'

/** `mizan keys custodian`: who may enter key components. */
export function custodianCommand(io: CommandIo): Command {
  return new Command('custodian')
    .description('custodians: the people who enter key components')
    .addCommand(addCommand(io))
    .addCommand(disableCommand(io))
    .addCommand(listCommand(io))
}

function addCommand(io: CommandIo): Command {
  const command = new Command('add')
    .description('add a custodian, who types a secret of at least 12 characters, twice (from a pipe: one line)')
    .argument('<name>', 'lower-case letters, digits, dots, dashes, underscores')
  return withCommonOptions(command).action(async (name: string, options: CommonOptions) =>
    atKeyDesk(io, options, async ({ client }) => {
      const input = io.openInput()
      try {
        const hash = await withTries(io, input, () => newSecretHash(input))
        await addCustodian(client, name, hash, authorOf(io))
        printed(io, options, { name, status: 'added' }, () => [`custodian ${name} is added`])
      } finally {
        input.close()
      }
    }),
  )
}

async function newSecretHash(input: LineInput): Promise<string> {
  const secret = await input.askSecret('secret: ')
  try {
    const hash = await hashSecret(secret)
    if (!input.interactive) return hash
    const again = await input.askSecret('secret, once more: ')
    const isSame = equalSecret(secret, again)
    wipe(again)
    if (!isSame) throw new MizanError('BAD_INPUT', 'the two are not the same')
    return hash
  } finally {
    wipe(secret)
  }
}

function disableCommand(io: CommandIo): Command {
  const command = new Command('disable')
    .description('disable a custodian for good; the name is never used again')
    .argument('<name>', 'of the custodian')
  return withCommonOptions(command).action(async (name: string, options: CommonOptions) =>
    atKeyDesk(io, options, async ({ client }) => {
      await disableCustodian(client, name, authorOf(io))
      printed(io, options, { name, status: 'disabled' }, () => [`custodian ${name} is disabled`])
    }),
  )
}

function listCommand(io: CommandIo): Command {
  const command = new Command('list').description('list the custodians, disabled ones too')
  return withCommonOptions(command).action(async (options: CommonOptions) =>
    atKeyDesk(io, options, async ({ client }) => {
      const custodians = await readCustodians(client)
      const listed = custodians.map(({ name, createdAtMs, disabledAtMs }) => ({
        name,
        createdAt: new Date(createdAtMs).toISOString(),
        disabledAt: disabledAtMs === undefined ? null : new Date(disabledAtMs).toISOString(),
      }))
      if (options.json) io.out(`${JSON.stringify(listed)}\n`)
      else for (const one of listed) io.out(`${rowOf(one)}\n`)
    }),
  )
}

function rowOf({
  name,
  createdAt,
  disabledAt,
}: {
  name: string
  createdAt: string
  disabledAt: string | null
}): string {
  const end = disabledAt === null ? '' : `, disabled ${disabledAt}`
  return `${name.padEnd(32)} added ${createdAt}${end}`
}
