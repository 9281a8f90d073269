import { Command } from 'commander'
import { MizanError } from '../errors.ts'
import { neutralKeyFields, type ZoneKeyKind, zoneKeyKinds } from '../link/key-exchange.ts'
import type { KeyRecord } from '../security/keys/key-record.ts'
import { activeVersions } from '../security/keys/rotation.ts'
import { announceKey } from '../store/key-announcement.ts'
import type { KeyChange } from '../store/key-store.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, printed, withCommonOptions } from './common-options.ts'
import { atOpenKeyDesk, authorOf, keyAsJson, keyInWords, type OpenKeyDesk, parseVersion } from './keys-desk.ts'

/** A zone key that is on its way: to which link, by which message. */
export interface SentKey {
  readonly destination: string
  readonly message: number
}

/** `mizan keys send`: a zone key that is in use goes to its peer over the link. */
export function sendCommand(io: CommandIo): Command {
  const command = new Command('send')
    .description('send a zone key to its peer over the outbound link, through the queue: until the peer confirms it')
    .argument('<name>', 'zpk:<link> or mak:<link>, of an outbound link')
    .option('--key-version <number>', 'which version; default the newest that is in use')
  return withCommonOptions(command).action(
    async (name: string, options: CommonOptions & { readonly keyVersion?: string }) => {
      const version = options.keyVersion === undefined ? undefined : parseVersion(options.keyVersion)
      await atOpenKeyDesk(io, options, async (desk) => {
        const active = activeVersions(desk.keys, name, desk.nowMs)
        const key = version === undefined ? active[0] : active.find((one) => one.version === version)
        if (key === undefined) throw new MizanError('NOT_FOUND', `no such version of ${name} is in use`)
        const sent = await sendKey(io, desk, key, [])
        printed(io, options, { ...keyAsJson(key), ...sent }, () => [sentInWords(key, sent)])
      })
    },
  )
}

/**
 * Queues a zone key for its peer, with the changes that bring it about.
 * @returns where it goes, and the number of the message that brings it
 * @throws MizanError BAD_INPUT when the key is of no outbound link; CRYPTO_REFUSED without a key-encryption key, or for
 *   the first MAC key
 */
export async function sendKey(
  io: CommandIo,
  desk: OpenKeyDesk,
  key: KeyRecord,
  changes: readonly KeyChange[],
): Promise<SentKey> {
  const { name, version, checkValue } = key
  const { kind, link } = zoneKeyOf(desk, name)
  const others = activeVersions(desk.keys, name, desk.nowMs).filter((one) => one.version !== version)
  if (kind === 'mak' && others.length === 0) {
    const way = `bring it there by mizan keys export ${name} --under kek:${link}`
    throw new MizanError('CRYPTO_REFUSED', `the first MAC key cannot travel under itself: ${way}`)
  }
  if (changes.length > 0) desk.ring.load([...desk.keys, key])
  const block = desk.module.exportKeyBlock(name, version, `kek:${link}`)
  const author = authorOf(io, [], `sent to ${link}, under kek:${link}`)
  const announcement = { name, version, checkValue, changes, destination: link, fields: neutralKeyFields(kind, block) }
  return { destination: link, message: await announceKey(desk.client, announcement, author, desk.nowMs) }
}

/** What a command says of a key that was queued for its peer. */
export function sentInWords(key: KeyRecord, { destination, message }: SentKey): string {
  return keyInWords(
    key,
    `is sent to ${destination} as message ${message}; mizan forward show ${message} says what became of it`,
  )
}

/** @throws MizanError BAD_INPUT */
function zoneKeyOf({ config }: OpenKeyDesk, name: string): { kind: ZoneKeyKind; link: string } {
  const [family = '', link = ''] = name.split(':')
  const kind = zoneKeyKinds.find((one) => one === family)
  if (kind !== undefined && config.outbound.some((one) => one.name === link)) return { kind, link }
  const names = config.outbound.map((one) => one.name).join(', ') || 'there is none'
  throw new MizanError(
    'BAD_INPUT',
    `${name} is no zone key of an outbound link (${names}); mizan keys export makes a block`,
  )
}
