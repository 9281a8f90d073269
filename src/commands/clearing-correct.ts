import { Command } from 'commander'
import { formatDate } from '../calendar.ts'
import { writeCorrection } from '../clearing/outgoing/correct-file.ts'
import { beginCorrection } from '../store/clearing/corrections.ts'
import { changeNoted, systemActor } from './access-desk.ts'
import { commandWork } from './clearing-desk.ts'
import { fileNamed, fileOptionsOf } from './clearing-files.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, keptText, withCommonOptions } from './common-options.ts'
import { atOpenKeyDesk } from './keys-desk.ts'

/** `mizan clearing correct`: the items of a file once more, in a file with the next number that takes its place. */
export function clearingCorrectCommand(io: CommandIo): Command {
  const command = new Command('correct')
    .description('write a file that its receiver has not taken once more, under the next number and as things are now')
    .argument('<name>', 'name of the file of ours (CTF, SUB, OUT) that it takes the place of')
    .requiredOption('--reason <text>', 'why; it stays in the history', keptText)
  return withCommonOptions(command).action((name: string, options: CommonOptions & { readonly reason: string }) =>
    atOpenKeyDesk(io, options, async (desk) => {
      const { client, config } = desk
      const { id, businessDate } = await fileNamed(client, name)
      const order = { actor: systemActor(io), reason: options.reason }
      const detail = { file: name, reason: options.reason }
      const begun = await changeNoted(io, client, { action: 'clearing correct', detail }, () =>
        beginCorrection(client, id, order),
      )
      const context = { ...commandWork(io, config, businessDate), folder: config.clearing.folder }
      const { file, manifest } = await writeCorrection(begun, order.actor, {
        client,
        options: fileOptionsOf(desk),
        context,
      })
      if (options.json) io.out(`${JSON.stringify({ ...detail, correction: file.name, manifest: manifest.name })}\n`)
      else {
        const day = formatDate(businessDate)
        io.out(`${file.name} takes the place of ${name}: ${file.items} items; manifest ${manifest.name}\n`)
        io.out(`sign and deliver it with mizan clearing deliver ${day}, release it before where that is asked for\n`)
      }
    }),
  )
}
