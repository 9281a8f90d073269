import { Command } from 'commander'
import { MizanError } from '../errors.ts'
import { familyOf } from '../security/keys/key-families.ts'
import type { KeyRecord, KeyStatus } from '../security/keys/key-record.ts'
import { activeVersions, planRotation, supersededBy, versionsOf } from '../security/keys/rotation.ts'
import { PAN_ENCRYPTION_KEY } from '../security/pan-protection.ts'
import { confirmAnnouncement } from '../store/key-announcement.ts'
import { hasCardsUnder, type KeyChange, type StoredKey, saveKeys } from '../store/key-store.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, keptText, printed, withCommonOptions } from './common-options.ts'
import {
  atKeyDesk,
  atOpenKeyDesk,
  authorOf,
  type KeyDesk,
  keyAsJson,
  keyInWords,
  parseVersion,
  refuseDemoKeys,
  refuseSecond,
  requireKey,
} from './keys-desk.ts'
import { sendKey, sentInWords } from './keys-send.ts'

interface VersionOptions extends CommonOptions {
  readonly keyVersion?: string
}

/** `mizan keys activate`. */
export function activateCommand(io: CommandIo): Command {
  const command = new Command('activate')
    .description('use a pending key; versions that are in use stay accepted until mizan keys confirm or retire')
    .argument('<name>', 'such as zpk:visa')
    .option('--key-version <number>', 'which version; default the newest that is pending')
  return withCommonOptions(command).action(async (name: string, options: VersionOptions) =>
    atKeyDesk(io, options, async (desk) => {
      const key = chosen(desk, name, options.keyVersion, 'pending', ([newest]) => newest)
      await setStatus(io, desk, [key], 'active')
      printedStatus(io, options, key, 'active')
    }),
  )
}

/** `mizan keys rotate`: a new version beside the old. */
export function rotateCommand(io: CommandIo): Command {
  const command = new Command('rotate')
    .description('make a new random version, active at once; what was in use stays accepted until it is confirmed')
    .argument('<name>', 'such as zpk:visa')
    .option('--retire-after <time>', 'how long what was in use stays accepted at most: 90s, 30m, 24h, 7d')
    .option(
      '--send',
      'send it to its peer over the outbound link, and make nothing with it until the peer confirms',
      false,
    )
  return withCommonOptions(command).action(
    async (name: string, options: CommonOptions & { readonly retireAfter?: string; readonly send: boolean }) => {
      const overlapMs = options.retireAfter === undefined ? undefined : parseTime(options.retireAfter)
      await atOpenKeyDesk(io, options, async (desk) => {
        const { version, ending } = planRotation(desk.keys, name, desk.nowMs, overlapMs)
        refuseSecond(name, version)
        const [current] = desk.ring.versions(name).filter(({ record }) => record.status === 'active')
        if (current === undefined) throw new MizanError('NOT_FOUND', `no version of ${name} is in use`)
        const { usage, algorithm, modeOfUse, exportability } = current.record
        const keyBytes = current.bytes.length
        const made = desk.module.generateKey({ usage, algorithm, modeOfUse, exportability, keyBytes })
        const life = { status: 'active', validFromMs: desk.nowMs, validToMs: undefined } as const
        const record: KeyRecord = { ...made, ...life, name, version }
        const changes: KeyChange[] = ending.map(({ version: old, validToMs }) => {
          const { validFromMs } = requireKey(desk, name, old)
          return { kind: 'validity', name, version: old, validFromMs, validToMs }
        })
        changes.push({ kind: 'insert', key: record })
        const sent = options.send ? await sendKey(io, desk, record, changes) : undefined
        if (sent === undefined) {
          await saveKeys(desk.client, changes, authorOf(io, [], `rotation to version ${version}`))
        }
        const accepted = activeVersions(desk.keys, name, desk.nowMs).map((one) => one.version)
        const until = overlapMs === undefined ? undefined : new Date(desk.nowMs + overlapMs).toISOString()
        const result = { ...keyAsJson(record), ...sent, stillAccepted: accepted, acceptedUntil: until ?? null }
        printed(io, options, result, () => [
          sent === undefined ? keyInWords(record, 'is active') : sentInWords(record, sent),
          stillAccepted(accepted, until),
        ])
      })
    },
  )
}

function stillAccepted(versions: readonly number[], until: string | undefined): string {
  const latest = until === undefined ? '' : `, at the latest ${until}`
  return `still accepted until it is confirmed${latest}: version ${versions.join(', ')}`
}

const unitsMs: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const TIME_MAX_MS = 366 * 86_400_000

function parseTime(text: string): number {
  const [, count, unit = ''] = /^([1-9][0-9]{0,6})([smhd])$/.exec(text) ?? []
  const ms = Number(count) * (unitsMs[unit] ?? Number.NaN)
  if (ms > 0 && ms <= TIME_MAX_MS) return ms
  throw new MizanError('BAD_INPUT', `${text} is no time: a number and s, m, h or d, up to a year`)
}

/** `mizan keys confirm`: the counterparty uses the new version. */
export function confirmCommand(io: CommandIo): Command {
  const command = new Command('confirm')
    .description('the counterparty uses the new version: older versions that are in use retire')
    .argument('<name>', 'such as zpk:visa')
    .option('--key-version <number>', 'which version is confirmed; default the newest that is in use')
  return withCommonOptions(command).action(async (name: string, options: VersionOptions) =>
    atKeyDesk(io, options, async (desk) => {
      const version = options.keyVersion === undefined ? undefined : parseVersion(options.keyVersion)
      const { confirmed, retiring } = supersededBy(desk.keys, name, desk.nowMs, version)
      await setStatus(io, desk, retiring, 'retired', `version ${confirmed.version} is confirmed`)
      await confirmAnnouncement(desk.client, name, confirmed.version, desk.nowMs)
      const result = { ...keyAsJson(confirmed), retired: retiring.map((one) => one.version) }
      printed(io, options, result, () => [
        ...retiring.map((key) => keyInWords(key, 'is retired')),
        keyInWords(confirmed, 'is confirmed'),
      ])
    }),
  )
}

/** `mizan keys retire`. */
export function retireCommand(io: CommandIo): Command {
  const command = new Command('retire')
    .description('use a key no more; it is kept for what it once protected')
    .argument('<name>', 'such as zpk:visa')
    .option('--key-version <number>', 'which version; default the oldest, if a newer one is in use')
  return withCommonOptions(command).action(async (name: string, options: VersionOptions) =>
    atKeyDesk(io, options, async (desk) => {
      const key = chosen(desk, name, options.keyVersion, 'active', (active) => {
        if (active.length > 1) return active.at(-1)
        const only = active[0]
        if (only === undefined) return undefined
        const what = `version ${only.version} is the only one of ${name} in use`
        throw new MizanError('BAD_INPUT', `${what}; add --key-version ${only.version} to retire it all the same`)
      })
      await setStatus(io, desk, [key], 'retired')
      printedStatus(io, options, key, 'retired')
    }),
  )
}

/** `mizan keys revoke`. */
export function revokeCommand(io: CommandIo): Command {
  const command = new Command('revoke')
    .description('give a key up, because others may know it; nothing is read or made with it again')
    .argument('<name>', 'such as zpk:visa')
    .requiredOption('--key-version <number>', 'which version')
    .option('--reason <text>', 'for the audit', keptText, '')
  return withCommonOptions(command).action(
    async (name: string, options: CommonOptions & { readonly keyVersion: string; readonly reason: string }) =>
      atKeyDesk(io, options, async (desk) => {
        const key = requireKey(desk, name, parseVersion(options.keyVersion))
        if (name === PAN_ENCRYPTION_KEY && (await hasCardsUnder(desk.client, key.version))) {
          throw new MizanError(
            'CRYPTO_REFUSED',
            `card numbers or people rest under version ${key.version}; re-encrypt them first`,
          )
        }
        await setStatus(io, desk, [key], 'revoked', options.reason.slice(0, REASON_MAX))
        printedStatus(io, options, key, 'revoked')
      }),
  )
}

const REASON_MAX = 200

/** The version that is named, or the one that `choose` takes from those of a status, the newest first. */
function chosen(
  desk: KeyDesk,
  name: string,
  version: string | undefined,
  status: KeyStatus,
  choose: (keys: readonly StoredKey[]) => StoredKey | undefined,
): StoredKey {
  if (version !== undefined) return requireKey(desk, name, parseVersion(version))
  const found = choose(versionsOf(desk.keys, name).filter((key) => key.status === status))
  if (found === undefined) throw new MizanError('NOT_FOUND', `no version of ${name} is ${status}`)
  return found
}

async function setStatus(
  io: CommandIo,
  desk: KeyDesk,
  keys: readonly StoredKey[],
  status: KeyStatus,
  detail = '',
): Promise<void> {
  if (status === 'active') refuseDemoKeys(desk.config, keys)
  const single = status === 'active' ? undefined : keys.find(({ name }) => familyOf(name).single === true)
  if (single !== undefined) throw new MizanError('CRYPTO_REFUSED', `without ${single.name} no card would be found`)
  const changes = keys.map(({ name, version }) => ({ kind: 'status', name, version, status }) as const)
  if (changes.length > 0) await saveKeys(desk.client, changes, authorOf(io, [], detail))
}

function printedStatus(io: CommandIo, options: CommonOptions, key: StoredKey, status: KeyStatus): void {
  printed(io, options, keyAsJson({ ...key, status }), () => [keyInWords(key, `is ${status}`)])
}
