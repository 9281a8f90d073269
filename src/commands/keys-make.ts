import { Command, Option } from 'commander'
import { MizanError } from '../errors.ts'
import { familyOf, lengthOf, type SymmetricAlgorithm } from '../security/keys/key-families.ts'
import { nextVersion, versionsOf } from '../security/keys/rotation.ts'
import type { ProtectedKey } from '../security/security-module.ts'
import { noteKeyEvent, type StoredKey } from '../store/key-store.ts'
import type { CommandIo } from './command-io.ts'
import { type CommonOptions, printed, withCommonOptions } from './common-options.ts'
import { addKey, atOpenKeyDesk, authorOf, type OpenKeyDesk, parseVersion, printedKey, requireKey } from './keys-desk.ts'

const algorithms: Readonly<Record<string, SymmetricAlgorithm>> = { tdes: 'T', aes: 'A', hmac: 'H' }

interface GenerateOptions extends CommonOptions {
  readonly algorithm?: string
  readonly bytes?: string
  /** False with --no-export. */
  readonly export: boolean
  readonly activate: boolean
}

/** `mizan keys generate`: a random key, which nobody ever sees. */
export function generateCommand(io: CommandIo): Command {
  const command = new Command('generate')
    .description('make a new random key; its name says what it is for (mizan keys families)')
    .argument('<name>', 'such as zpk:visa, imk-ac')
    .addOption(
      new Option('--algorithm <name>', 'where the kind of key allows several').choices(Object.keys(algorithms)),
    )
    .option('--bytes <number>', 'length of the key, where the kind of key allows several')
    .option('--no-export', 'the key never leaves, not even under a key-encryption key')
    .option('--activate', 'use it at once; otherwise it is pending until mizan keys activate', false)
  return withCommonOptions(command).action(async (name: string, options: GenerateOptions) => {
    const family = familyOf(name)
    const wanted = options.algorithm === undefined ? undefined : algorithms[options.algorithm]
    const { algorithm, bytes } = lengthOf(family, wanted, bytesOf(options.bytes))
    await atOpenKeyDesk(io, options, async (desk) => {
      const { usage, modeOfUse } = family
      const exportability = options.export ? family.exportability : 'N'
      const key = desk.module.generateKey({ usage, algorithm, modeOfUse, exportability, keyBytes: bytes })
      await addAndSay(io, desk, name, key, options, 'generated')
    })
  })
}

function bytesOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^[1-9][0-9]{0,2}$/.test(text)) throw new MizanError('BAD_INPUT', '--bytes must be a number')
  return Number(text)
}

async function addAndSay(
  io: CommandIo,
  desk: OpenKeyDesk,
  name: string,
  key: ProtectedKey,
  options: CommonOptions & { readonly activate: boolean },
  detail: string,
): Promise<void> {
  const version = nextVersion(desk.keys, name)
  const record = await addKey(desk, { name, version, key, active: options.activate }, authorOf(io, [], detail))
  printedKey(io, options, record)
}

interface ImportOptions extends CommonOptions {
  readonly block: string
  readonly under: string
  readonly activate: boolean
}

/** `mizan keys import`: a key that a counterparty sent. */
export function importCommand(io: CommandIo): Command {
  const command = new Command('import')
    .description('take a key from a TR-31 block under a key-encryption key: version D under AES, B under triple DES')
    .argument('<name>', 'such as zpk:visa')
    .requiredOption('--block <file>', 'file with the key block; - = standard input')
    .requiredOption('--under <name>', 'key-encryption key, such as kek:visa')
    .option('--activate', 'use it at once; otherwise it is pending until mizan keys activate', false)
  return withCommonOptions(command).action(async (name: string, options: ImportOptions) => {
    const family = familyOf(name)
    requireKek(name, options.under)
    const block = io.readText(options.block)
    await atOpenKeyDesk(io, options, async (desk) => {
      const key = desk.module.importKeyBlock(block, options.under, { usage: family.usage })
      const known = family.lengths.some(([algorithm]) => algorithm === key.algorithm)
      if (!known || (key.modeOfUse !== family.modeOfUse && key.modeOfUse !== 'N')) {
        const is = `algorithm ${key.algorithm} and mode of use ${key.modeOfUse}`
        throw new MizanError('CRYPTO_REFUSED', `the block holds a key of ${is}, which is none for ${name}`)
      }
      await addAndSay(io, desk, name, key, options, `imported under ${options.under}`)
    })
  })
}

/**
 * A key of one link's zone travels under no other link's key: its peer would know what two others keep between them (PCI
 * PIN 17).
 */
function requireKek(name: string, kek: string): void {
  if (familyOf(kek).family !== 'kek') throw new MizanError('BAD_INPUT', `--under takes a key kek:<link>, not ${kek}`)
  const [family, link] = name.split(':')
  if ((family !== 'zpk' && family !== 'mak') || kek === `kek:${link}`) return
  throw new MizanError('CRYPTO_REFUSED', `${name} is between us and ${link}: it travels under kek:${link} alone`)
}

interface ExportOptions extends CommonOptions {
  readonly under: string
  readonly keyVersion?: string
}

/** `mizan keys export`: a key block for a counterparty, alone on standard output. */
export function exportCommand(io: CommandIo): Command {
  const command = new Command('export')
    .description('print a TR-31 block of a key under a key-encryption key, for the counterparty')
    .argument('<name>', 'such as zpk:visa')
    .requiredOption('--under <name>', 'key-encryption key, such as kek:visa')
    .option('--key-version <number>', 'which version; default the newest that is active or pending')
  return withCommonOptions(command).action(async (name: string, options: ExportOptions) => {
    familyOf(name)
    requireKek(name, options.under)
    await atOpenKeyDesk(io, options, async (desk) => {
      const { version, checkValue } = exported(desk, name, options.keyVersion)
      const block = desk.module.exportKeyBlock(name, version, options.under)
      const author = authorOf(io, [], `under ${options.under}`)
      // First the note, then the block: none leaves unnoticed.
      await noteKeyEvent(desk.client, { action: 'key-exported', name, version, checkValue }, author)
      printed(io, options, { name, version, checkValue, under: options.under, block }, () => [block])
    })
  })
}

function exported(desk: OpenKeyDesk, name: string, keyVersion: string | undefined): StoredKey {
  const found =
    keyVersion === undefined
      ? versionsOf(desk.keys, name).find(({ status }) => status === 'active' || status === 'pending')
      : requireKey(desk, name, parseVersion(keyVersion))
  if (found === undefined) throw new MizanError('NOT_FOUND', `there is no ${name} that is active or pending`)
  if (found.status === 'retired' || found.status === 'revoked') {
    throw new MizanError('CRYPTO_REFUSED', `version ${found.version} of ${name} is ${found.status}`)
  }
  return found
}
