import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { Command } from 'commander'
import { fileAt } from '../clearing/delivery/day-files.ts'
import { decryptFile, ENCRYPTED_SUFFIX } from '../clearing/protection/files.ts'
import { openKeyRoom } from '../clearing/protection/key-room.ts'
import { MizanError } from '../errors.ts'
import { noteAudit } from '../store/audit-store.ts'
import { findFile } from '../store/clearing/files.ts'
import { systemActor } from './access-desk.ts'
import { atDelivery } from './clearing-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'

/** `mizan clearing open`: the clear form of a file that was encrypted, for ours too. */
export function clearingOpenCommand(io: CommandIo = processIo): Command {
  const command = new Command('open')
    .description(
      'write the clear form of an encrypted file of ours; it may hold card numbers, so the audit says who did',
    )
    .argument('<name>', 'name of the file in the register, such as UC.CTF.400000.20261122.1.001, or a file NAME.p7m')
    .requiredOption('--out <file>', 'where to write it; it must not be there')
  return withCommonOptions(command).action((name: string, options: CommonOptions & { out: string }) =>
    atDelivery(io, options, async ({ client, delivery }) => {
      const target = path.resolve(options.out)
      if (existsSync(target)) throw new MizanError('BAD_INPUT', `${target} is there already`)
      const source = await sourceOf(name, async (known) => {
        const file = await findFile(client, known)
        return file === undefined ? undefined : fileAt(delivery.folder, file) + ENCRYPTED_SUFFIX
      })
      const seal = await delivery.openSeal()
      const room = await openKeyRoom(client, { seal, nowMs: Date.now(), isProduction: delivery.isProduction })
      const event = { actor: systemActor(io), source: 'local', requestId: '', outcome: 'looked' } as const
      await noteAudit(client, { ...event, action: 'clearing open', detail: { file: path.basename(source) } })
      const { bytes, sha256 } = await decryptFile(source, target, room.recipients())
      const digest = sha256.toString('hex')
      if (options.json) io.out(`${JSON.stringify({ file: target, bytes, sha256: digest })}\n`)
      else io.out(`${target}: ${bytes} bytes, SHA-256 ${digest}\n`)
    }),
  )
}

async function sourceOf(name: string, find: (name: string) => Promise<string | undefined>): Promise<string> {
  const source = name.endsWith(ENCRYPTED_SUFFIX) ? path.resolve(name) : await find(name)
  if (source !== undefined && (await stat(source).catch(() => undefined)) !== undefined) return source
  throw new MizanError('NOT_FOUND', `there is no encrypted file ${source ?? name}`)
}
