import { Command } from 'commander'
import { formatDate } from '../calendar.ts'
import { releasable, releaseFiles } from '../clearing/delivery/release.ts'
import { MizanError } from '../errors.ts'
import { formatPiasters } from '../money.ts'
import { requireAccessTables } from '../store/access-users.ts'
import type { ClearingFile } from '../store/clearing/files.ts'
import { changeNoted, systemActor } from './access-desk.ts'
import { atDelivery, dateArgument } from './clearing-desk.ts'
import { type CommandIo, processIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'
import { logInSecondPerson } from './second-person.ts'

/** `mizan clearing release`: lets the files of a day go out, by two people. */
export function clearingReleaseCommand(io: CommandIo = processIo): Command {
  const command = new Command('release')
    .description('release the signed files of a business date, with a second person who looks at them and logs in')
    .argument('<date>', 'business date, yyyy-mm-dd', dateArgument)
    .option('--list', 'only show what waits', false)
  return withCommonOptions(command).action((date: number, options: CommonOptions & { list: boolean }) =>
    atDelivery(io, options, async ({ client }) => {
      await requireAccessTables(client)
      const businessDate = date as ReturnType<typeof dateArgument>
      const { files, digest } = await releasable(client, businessDate)
      const sha256 = digest.toString('hex')
      const items = files.map(viewOf)
      if (options.list || files.length === 0) {
        if (options.json) io.out(`${JSON.stringify({ digest: sha256, files: items })}\n`)
        else io.out(files.length === 0 ? 'no file waits to be released\n' : listOf(files, sha256))
        if (!options.list) throw new MizanError('NOT_FOUND', `no file of ${formatDate(businessDate)} waits`)
        return
      }
      if (!options.json) io.out(listOf(files, sha256))
      const checker = await logInSecondPerson(io, client, {
        prompt: 'second person, who releases these files',
        roles: ['settlement'],
        what: 'to release clearing files',
      })
      const maker = systemActor(io)
      const detail = { businessDate: formatDate(businessDate), digest: sha256, files: files.length, second: checker }
      await changeNoted(io, client, { action: 'clearing release', detail }, () =>
        releaseFiles(client, businessDate, digest, { maker, checker }),
      )
      if (options.json) io.out(`${JSON.stringify({ released: items, digest: sha256, maker, checker })}\n`)
      else io.out(`${files.length} file(s) released by ${maker} and ${checker}\n`)
    }),
  )
}

function viewOf({ name, type, institution, bytes, items, grossPiasters, sha256 }: ClearingFile) {
  return {
    name,
    type,
    institution,
    bytes,
    items,
    grossPiasters: String(grossPiasters),
    sha256: sha256?.toString('hex'),
  }
}

function listOf(files: readonly ClearingFile[], digest: string): string {
  const lines = files.map(
    ({ name, items, grossPiasters, bytes }) =>
      `${name.padEnd(40)} ${String(items).padStart(10)} items ${formatPiasters(grossPiasters).padStart(18)} EGP ${bytes ?? 0} bytes`,
  )
  return `${lines.join('\n')}\nall together: ${digest}\n`
}
