import { Command } from 'commander'
import { MizanError } from '../errors.ts'
import { PAN_ENCRYPTION_KEY, panProtection } from '../security/pan-protection.ts'
import { personalData } from '../security/personal-data.ts'
import { type PanReencryptionProgress, type PanReencryptionResult, reencryptPans } from '../store/pan-reencryption.ts'
import { type PeopleReencryptionResult, reencryptPeople } from '../store/people-reencryption.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, withCommonOptions } from './common-options.ts'
import { atOpenKeyDesk } from './keys-desk.ts'

const PROGRESS_MS = 2_000

interface ReencryptOptions extends CommonOptions {
  readonly batch: number
  readonly pauseMs: number
}

/**
 * `mizan keys reencrypt-pans`: after a rotation of `pan-encryption`, brings all card numbers, and what is sealed
 * of people, under its newest version.
 * May be interrupted and called again.
 */
export function reencryptPansCommand(io: CommandIo): Command {
  const command = new Command('reencrypt-pans')
    .description(
      `bring all card numbers under the newest version of ${PAN_ENCRYPTION_KEY}; safe beside a running switch, goes on where it was interrupted; exit status 1 if any is left`,
    )
    .option('--batch <rows>', 'rows of one transaction, 1 to 10000', (text) => numberIn(text, 1, 10_000), 1_000)
    .option(
      '--pause-ms <time>',
      'rest after each transaction, in milliseconds',
      (text) => numberIn(text, 0, 60_000),
      20,
    )
  return withCommonOptions(command).action(async (options: ReencryptOptions) => {
    await atOpenKeyDesk(io, options, async ({ client, ring, nowMs }) => {
      const abort = new AbortController()
      const stop = () => abort.abort()
      process.once('SIGINT', stop).once('SIGTERM', stop)
      try {
        const result = await reencryptPans(client, {
          // One moment for all of it: no version begins or ends on the way.
          protection: panProtection(ring, () => nowMs),
          batchRows: options.batch,
          pauseMs: options.pauseMs,
          onProgress: progressTo(io),
          signal: abort.signal,
        })
        const people = await reencryptPeople(client, {
          personal: personalData(ring, () => nowMs),
          pauseMs: options.pauseMs,
          signal: abort.signal,
        })
        report(io, options, result, people)
      } finally {
        process.off('SIGINT', stop).off('SIGTERM', stop)
      }
    })
  })
}

/** A line now and then, and one when all is done. */
function progressTo(io: CommandIo): (progress: PanReencryptionProgress) => void {
  let nextMs = 0
  return ({ done, total }) => {
    const nowMs = performance.now()
    if (nowMs < nextMs && done < total) return
    nextMs = nowMs + PROGRESS_MS
    io.note(`${done} of ${total} card numbers\n`)
  }
}

function report(
  io: CommandIo,
  options: ReencryptOptions,
  result: PanReencryptionResult,
  people: PeopleReencryptionResult,
): void {
  const { keyVersion, reencrypted, remaining, unreadable, examples } = result
  if (remaining > 0 || people.remaining > 0) process.exitCode = 1
  for (const { lane, cardId, keyVersion: version, reason } of examples) {
    io.note(`card ${cardId} of lane ${lane}, under version ${version}: ${reason}\n`)
  }
  if (options.json) {
    io.out(`${JSON.stringify({ ...result, people })}\n`)
    return
  }
  io.out(`${reencrypted} card numbers are now under ${PAN_ENCRYPTION_KEY} version ${keyVersion}\n`)
  if (people.reencrypted > 0) io.out(`so are ${people.reencrypted} people\n`)
  if (people.remaining > 0) io.out(`${people.remaining} people are not, ${people.unreadable} of them cannot be read\n`)
  if (remaining + people.remaining === 0)
    io.out('none is under another version: older ones can be retired and revoked\n')
  else if (remaining > 0)
    io.out(`${remaining} are not, ${unreadable} of them cannot be read: call this again for the others\n`)
}

function numberIn(text: string, least: number, most: number): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  throw new MizanError('BAD_INPUT', `${text} is not a number from ${least} to ${most}`)
}
